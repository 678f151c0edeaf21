"""How the images come to be: once, whole, and with the digests that images.yml promises."""

from __future__ import annotations

import hashlib
import http.server
import importlib.util
import json
import multiprocessing
import pathlib
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import images
import oci
import pytest
import registry
import yaml
from conftest import HERE

ROLES = HERE.parents[1] / "roles"


def builder() -> Any:
    spec = importlib.util.spec_from_file_location("build", HERE / "__main__.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def slow_build(cache: str, record: str) -> None:
    build = builder()

    def fill(_cache: pathlib.Path, work: pathlib.Path) -> None:
        (work / "registry").mkdir()
        for name in ("one", "two"):
            (work / "registry" / name).touch()
            time.sleep(0.2)
        with pathlib.Path(record).open("a") as stream:
            stream.write("filled\n")

    build.cache_folder = lambda: pathlib.Path(cache)
    build.fill = fill
    assert sorted(path.name for path in build.build().iterdir()) == ["one", "two"]


def test_two_builds_at_once_do_not_meet(tmp_path: pathlib.Path) -> None:
    """A naive one builds twice, or the second sees the first one's half."""
    record = tmp_path / "record"
    both = [multiprocessing.Process(target=slow_build, args=(str(tmp_path), str(record))) for _process in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(30)
    assert [process.exitcode for process in both] == [0, 0]
    assert record.read_text() == "filled\n"


def test_a_build_that_fails_leaves_nothing(tmp_path: pathlib.Path) -> None:
    build = builder()

    def fail(_cache: pathlib.Path, work: pathlib.Path) -> None:
        (work / "registry").mkdir()
        raise build.CannotBuild("no")

    build.cache_folder, build.fill = (lambda: tmp_path), fail
    with pytest.raises(build.CannotBuild):
        build.build()
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_a_killed_build_is_cleared_away(tmp_path: pathlib.Path) -> None:
    """A naive one leaves some hundred megabytes behind each time."""
    (tmp_path / "unfinished-x" / "debian").mkdir(parents=True)
    slow_build(str(tmp_path), str(tmp_path / "record"))
    assert not list(tmp_path.glob("unfinished-*"))


def test_equal_files_make_equal_layers(tmp_path: pathlib.Path) -> None:
    """A naive archive carries times, owners' names and the order of the directory."""
    digests = set()
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name in ("b", "a")[:: 1 - 2 * number]:
            (folder / name).write_text(name)
        time.sleep(1.1 * (1 - number))
        oci.pack_folder(folder, tmp_path / f"{number}.tar")
        digests.add(oci.digest_of(tmp_path / f"{number}.tar"))
    assert len(digests) == 1


# ---- what is served


@pytest.fixture
def served(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str]]:
    """The address of a registry with one image, and the image's digest."""
    oci.pack_files(tmp_path / "layer.tar", {"bin/tool": b"#!/bin/sh\n"}, {}, {"tmp": (0, 0o1777)})
    folder = oci.Registry(tmp_path / "registry")
    layer = folder.add_layer(tmp_path / "layer.tar", oci.digest_of(tmp_path / "layer.tar"))
    digest = folder.add_image("registry.example.org/a/tool:1", [layer], {"Cmd": ["tool"]}, "amd64")
    monkeypatch.setattr(registry, "HERE", folder.folder)
    monkeypatch.setattr(registry.Handler, "log_message", lambda *_: None)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), registry.Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v2/registry.example.org/a/tool", digest
    server.shutdown()
    server.server_close()


def pull(url: str, reference: str) -> Any:
    """The image's configuration, by the way that a client goes: each step by digest, each digest checked."""
    found: Any = {"digest": reference}
    for kind in ("manifests", "manifests", "blobs"):
        with urllib.request.urlopen(f"{url}/{kind}/{found['digest']}") as answer:
            content = answer.read()
        if found["digest"].startswith("sha256:"):
            assert found["digest"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
        data = json.loads(content)
        found = data["manifests"][0] if "manifests" in data else data.get("config")
    return data


def test_pulled_by_tag_and_by_digest(served: tuple[str, str]) -> None:
    url, digest = served
    assert pull(url, "1") == pull(url, digest)
    assert pull(url, "1")["config"] == {"Cmd": ["tool"]}
    head = urllib.request.urlopen(urllib.request.Request(f"{url}/manifests/1", method="HEAD"))
    assert (head.headers["Docker-Content-Digest"], head.read()) == (digest, b"")


@pytest.mark.parametrize(
    "path",
    [
        "manifests/2",
        "blobs/1",
        "manifests/sha256:" + "0" * 64,
        "manifests/../../registry.py",
        "manifests/..",
        "tags/list",
    ],
)
def test_what_is_not_there(served: tuple[str, str], path: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(f"{served[0]}/{path}")
    assert raised.value.code == 404


# ---- what is promised to the roles


def defaults() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in ROLES.glob("*/defaults/main.yml"):
        found |= yaml.safe_load(path.read_text())
    return found


def test_the_variables_are_the_roles_own() -> None:
    """A name that no role knows would leave the published digest in place, which no stand-in has."""
    assert set(images.role_variables()) <= set(defaults())
    assert {version for _start, version in images.DIGEST_VARIABLES.values()} <= set(defaults())


def test_every_reference_has_a_digest() -> None:
    references = {image.reference for image in images.images()}
    assert set(images.IMAGE_VARIABLES.values()) <= references
    content = yaml.safe_load(builder().images_yml({reference: f"sha256:{reference}" for reference in references}))
    assert set(content["stand_in_images"]) == references
    for start, _version in images.DIGEST_VARIABLES.values():
        assert any(reference.startswith(start) for reference in references)
