# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pins over whole trees of files. A regular expression over the unit's own file fails every test but the first few."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils.errors import HomelabError
from ansible_collections.patriark.homelab.plugins.module_utils.podman import Container
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet import image_reference, pinning
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.effective import effective
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.pin_dangers import Pin
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.place import Place
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.rules import rules_of
from hypothesis import event, given, settings
from hypothesis import strategies as st

DEBIAN_13 = rules_of((5, 4, 2))
PODMAN_5_8 = rules_of((5, 8, 0))
OLD = "registry.example.org/app:1.2.3"
NEW = "registry.example.org/app:1.3.0"
OTHER = "registry.example.org/other:7.0.0"
DIGEST = "sha256:" + "a" * 64
UNIT = f"# kept\r\n[Container]\r\n  Image = {OLD}  \r\nExec=x"


def lay(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def request(*pins: tuple[str, str], **options: Any) -> pinning.Request:
    return pinning.Request(
        [Pin(unit, image, image_reference.wanted(image)) for unit, image in pins],
        options.get("method", "edit"),
        options.get("auto_update", "refuse"),
        options.get("running", False),
        frozenset(options.get("accept", ())),
    )


def pin(root: Path, *pins: tuple[str, str], check: bool = False, **options: Any) -> dict[str, Any]:
    return pinning.pin_units(Place(None, [str(root)], DEBIAN_13), request(*pins, **options), check)


def test_only_the_bytes_of_the_value_change(tmp_path: Path) -> None:
    lay(tmp_path, {"a.container": UNIT})
    os.chmod(tmp_path / "a.container", 0o640)
    predicted = pin(tmp_path, ("a.container", NEW), check=True)
    assert tree(tmp_path) == {"a.container": UNIT.encode()}
    done = pin(tmp_path, ("a.container", NEW))
    assert done == predicted
    assert done["changed"]
    assert done["pins"][0]["line"] == 3
    assert done["pins"][0]["direction"] == "upgrade"
    assert tree(tmp_path) == {"a.container": UNIT.replace(OLD, NEW).encode()}
    assert stat.S_IMODE((tmp_path / "a.container").stat().st_mode) == 0o640
    again = pin(tmp_path, ("a.container", NEW))
    assert not again["changed"]
    assert again["diff"] == []


def test_the_winning_drop_in_is_edited(tmp_path: Path) -> None:
    files = {
        "a.container": UNIT,
        "a.container.d/10.conf": f"[Container]\nImage={OLD}\n# below\n",
        "a.container.d/05.conf": "[Container]\nImage=x:1\n",
    }
    lay(tmp_path, files)
    done = pin(tmp_path, ("a.container", NEW))
    assert done["pins"][0]["path"] == str(tmp_path / "a.container.d/10.conf")
    files["a.container.d/10.conf"] = f"[Container]\nImage={NEW}\n# below\n"
    assert tree(tmp_path) == {name: text.encode() for name, text in files.items()}


def test_drop_in_method_leaves_the_unit_alone(tmp_path: Path) -> None:
    lay(tmp_path, {"a.container": f"[Container]\nImage={OLD}\nAutoUpdate=registry\n"})
    before = tree(tmp_path)
    predicted = pin(tmp_path, ("a.container", NEW), method="dropin", auto_update="remove", check=True)
    assert tree(tmp_path) == before
    assert pin(tmp_path, ("a.container", NEW), method="dropin", auto_update="remove") == predicted
    written = (
        b"# Written by patriark.homelab.quadlet_image_pin.\n\n[Container]\nImage=" + NEW.encode() + b"\nAutoUpdate=\n"
    )
    assert tree(tmp_path) == {**before, "a.container.d/90-image-pin.conf": written}
    assert not pin(tmp_path, ("a.container", NEW), method="dropin", auto_update="remove")["changed"]
    assert pin(tmp_path, ("a.container", NEW.replace("1.3.0", "1.4.0")), method="dropin")["changed"]
    assert b":1.4.0\nAutoUpdate=\n" in tree(tmp_path)["a.container.d/90-image-pin.conf"]


def test_a_drop_in_that_sorts_later_is_named(tmp_path: Path) -> None:
    lay(tmp_path, {"a.container": UNIT, "container.d/99.conf": f"[Container]\nImage={OLD}\n"})
    before = tree(tmp_path)
    with pytest.raises(HomelabError, match=r"container\.d/99\.conf:2 has the last word") as caught:
        pin(tmp_path, ("a.container", NEW), method="dropin")
    assert caught.value.details["overridden_by"].endswith("container.d/99.conf:2")
    assert tree(tmp_path) == before


def test_one_refusal_stops_every_pin(tmp_path: Path) -> None:
    lay(tmp_path, {"a.container": UNIT, "b.container": UNIT})
    before = tree(tmp_path)
    with pytest.raises(HomelabError, match=r"b\.container: .* is older than"):
        pin(tmp_path, ("a.container", NEW), ("b.container", OLD.replace("1.2.3", "1.2.0")))
    assert tree(tmp_path) == before


def test_one_error_of_the_system_stops_every_pin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay(tmp_path, {"a.container": UNIT, "b.container": UNIT})
    before = tree(tmp_path)
    replace, calls = os.replace, []

    def second_fails(source: str, target: str) -> None:
        calls.append(target)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", second_fails)
    with pytest.raises(HomelabError, match="No space left"):
        pin(tmp_path, ("a.container", NEW), ("b.container", NEW))
    assert tree(tmp_path) == before


CONTAINER = f"[Container]\nImage={OLD}\n"
REFUSED: list[tuple[str, dict[str, str], str, dict[str, Any], str]] = [
    (
        "floating_tag",
        {"a.container": CONTAINER},
        "registry.example.org/app:1",
        {"accept": ["downgrade"]},
        r"accept: \[floating\]",
    ),
    (
        "no_tag",
        {"a.container": CONTAINER},
        "registry.example.org/app",
        {"accept": ["downgrade"]},
        r"accept: \[floating\]",
    ),
    (
        "downgrade",
        {"a.container": CONTAINER},
        "registry.example.org/app:1.1.99",
        {},
        r"older than .* accept: \[downgrade\]",
    ),
    (
        "unknown_order",
        {"a.container": CONTAINER},
        f"registry.example.org/app@{DIGEST}",
        {},
        r"cannot be told .* accept: \[downgrade\]",
    ),
    (
        "other_repository",
        {"a.container": CONTAINER},
        "registry.example.org/other:1.2.3",
        {"accept": ["downgrade"]},
        r"accept: \[repository_change\]",
    ),
    (
        "variable",
        {"a.container": "[Container]\nImage=registry.example.org/app:${V}\n"},
        NEW,
        {"accept": ["downgrade"]},
        r"accept: \[variable\]",
    ),
    (
        "specifier",
        {"a.container": "[Container]\nImage=registry.example.org/app:%i\n"},
        NEW,
        {"accept": ["downgrade"]},
        r"accept: \[variable\]",
    ),
    ("pull_newer", {"a.container": CONTAINER + "Pull=newer\n"}, NEW, {}, r"accept: \[pull\]"),
    (
        "pull_always_in_arguments",
        {"a.container": CONTAINER + "PodmanArgs=--init --pull=always\n"},
        NEW,
        {},
        r"accept: \[pull\]",
    ),
    (
        "auto_update",
        {"a.container": CONTAINER + "AutoUpdate=registry\n"},
        NEW,
        {},
        r"a\.container:3, .* auto_update: remove",
    ),
    (
        "tag_and_digest_kept",
        {"a.container": CONTAINER + "AutoUpdate=registry\n"},
        f"{NEW}@{DIGEST}",
        {"auto_update": "keep"},
        "both a tag and a digest",
    ),
    (
        "auto_update_label",
        {"a.container": CONTAINER + "Label=a=b io.containers.autoupdate=local\n"},
        NEW,
        {"auto_update": "remove"},
        "Label= at",
    ),
    (
        "auto_update_arguments",
        {"a.container": CONTAINER + "PodmanArgs=--label io.containers.autoupdate=local\n"},
        NEW,
        {"auto_update": "remove"},
        "PodmanArgs= at",
    ),
    (
        "auto_update_shared",
        {
            "a.container": CONTAINER,
            "b.container": CONTAINER,
            "container.d/1.conf": "[Container]\nAutoUpdate=registry\n",
        },
        NEW,
        {"auto_update": "remove"},
        "b.container .* would change too",
    ),
    (
        "broken_directory",
        {"a.container": CONTAINER, "b.network": "oops\n"},
        NEW,
        {},
        r"b\.network \(line 1 is not a section",
    ),
    ("broken_itself", {"a.container": "oops\n"}, NEW, {}, r"cannot read .*a\.container: is not a section"),
    (
        "no_service",
        {"a.container": CONTAINER + "Network=b.network\n"},
        NEW,
        {},
        "makes no service of a.container .*names b.network",
    ),
    (
        "rootfs",
        {"a.container": "[Container]\nRootfs=/srv/root\n"},
        NEW,
        {},
        "the directory /srv/root, which Rootfs= names at .*:2",
    ),
    ("missing", {"b.container": CONTAINER}, NEW, {}, "no unit a.container"),
    (
        "shared_drop_in",
        {"a.container": CONTAINER, "b.container": CONTAINER, "container.d/1.conf": CONTAINER},
        NEW,
        {},
        "b.container .* would change too",
    ),
    (
        "shared_image_unit",
        {
            "a.container": "[Container]\nImage=c.image\n",
            "b.container": "[Container]\nImage=c.image\n",
            "c.image": f"[Image]\nImage={OLD}\n",
        },
        NEW,
        {},
        "b.container .* would change too",
    ),
    (
        "retagged_image_unit",
        {
            "a.container": "[Container]\nImage=c.image\n",
            "c.image": f"[Image]\nImage={OLD}\nImageTag=localhost/app:1.2.3\n",
        },
        NEW,
        {},
        "Pin c.image",
    ),
    (
        "broken_drop_in",
        {"a.container": CONTAINER, "a.container.d/90-image-pin.conf": "oops\n"},
        NEW,
        {"method": "dropin"},
        "cannot read .*90-image-pin.conf",
    ),
]


@pytest.mark.parametrize(
    ("files", "image", "options", "words"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_refused_and_untouched(
    files: dict[str, str], image: str, options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    lay(tmp_path, files)
    before = tree(tmp_path)
    with pytest.raises(HomelabError, match=words):
        pin(tmp_path, ("a.container", image), **options)
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    ("unit", "text", "words"),
    [
        ("a.kube", "[Kube]\nYaml=/srv/app.yml\n", "Yaml= names, at .*a.kube:2: /srv/app.yml"),
        ("a.pod", "[Pod]\n", "a pod has no image"),
        ("a.network", "[Network]\n", "a network has no image"),
        ("a.volume", "[Volume]\n", "Driver=image"),
        ("a@x.container", "[Container]\nImage=x:1\n", "Name a@.container"),
    ],
)
def test_units_without_an_image_say_where_it_is(unit: str, text: str, words: str, tmp_path: Path) -> None:
    lay(tmp_path, {unit.replace("@x", "@"): text})
    with pytest.raises(HomelabError, match=words):
        pin(tmp_path, (unit, NEW))


@pytest.mark.parametrize(
    "image",
    [
        "app:1.0.0",
        "Registry.example.org/App:1.0.0",
        "registry.example.org/app:1.0.0 ",
        "docker://registry.example.org/app:1.0.0",
        "registry.example.org/app:${V}",
        "registry.example.org/app@sha256:12",
        "registry.example.org/my.image",
        "registry.example.org/app:1\n",
    ],
)
def test_references_that_podman_would_not_take(image: str) -> None:
    with pytest.raises(HomelabError, match=r"Podman takes|Quadlet would look for"):
        image_reference.wanted(image)


def test_contradictions_in_the_task() -> None:
    with pytest.raises(HomelabError, match="named twice"):
        pinning.pin(
            [{"unit": "a.container", "image": NEW}] * 2,
            False,
            None,
            None,
            ["/nowhere"],
            "edit",
            "refuse",
            False,
            [],
            False,
        )
    pins = [{"unit": "a.container", "image": NEW}, {"unit": "b.container", "image": OLD}]
    with pytest.raises(HomelabError, match="one tag, and do not"):
        pinning.pin(pins, True, None, None, ["/nowhere"], "edit", "refuse", False, [], False)


def test_a_unit_that_is_not_there_yet_is_no_error_in_check_mode(tmp_path: Path) -> None:
    told = pin(tmp_path, ("a.container", NEW), check=True)
    assert not told["changed"]
    assert "no unit a.container" in told["notes"][0]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    lay(tmp_path, {"checkout/app.txt": UNIT})
    (tmp_path / "a.container").symlink_to("checkout/app.txt")
    pin(tmp_path, ("a.container", NEW))
    assert os.readlink(tmp_path / "a.container") == "checkout/app.txt"
    assert NEW.encode() in (tmp_path / "checkout/app.txt").read_bytes()


def test_two_names_of_one_file_change_together_or_not_at_all(tmp_path: Path) -> None:
    lay(tmp_path, {"a.container": UNIT})
    (tmp_path / "b.container").symlink_to("a.container")
    with pytest.raises(HomelabError, match=r"b\.container .* would change too"):
        pin(tmp_path, ("a.container", NEW))
    with pytest.raises(HomelabError, match="cannot differ"):
        pin(tmp_path, ("a.container", NEW), ("b.container", NEW.replace("1.3.0", "1.3.1")))
    assert pin(tmp_path, ("a.container", NEW), ("b.container", NEW))["changed"]


def test_image_unit_and_its_containers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay(
        tmp_path,
        {
            "a.container": "[Container]\nImage=c.image\n",
            "b.container": "[Container]\nImage=c.image\n",
            "c.image": f"[Image]\nImage={OLD}\n",
        },
    )
    old = {name: [Container(name, name, OLD, "1", None, ())] for name in ("a.service", "b.service")}
    monkeypatch.setattr(pinning, "running_containers", lambda: old)
    done = pin(tmp_path, ("c.image", NEW), running=True)
    assert done["services_to_restart"] == ["c-image.service", "a.service", "b.service"]
    # Nothing changes any more, and the containers still run the old image.
    done = pin(tmp_path, ("a.container", NEW), running=True)
    assert not done["changed"]
    assert done["services_to_restart"] == ["c-image.service", "a.service"]
    monkeypatch.setattr(
        pinning, "running_containers", lambda: {"a.service": [Container("a", "a.service", NEW, "1", None, ())]}
    )
    assert pin(tmp_path, ("c.image", NEW), running=True)["services_to_restart"] == []


def test_template_and_its_instances(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay(tmp_path, {"t@.container": UNIT})
    (tmp_path / "t@x.container").symlink_to("t@.container")
    monkeypatch.setattr(
        pinning, "running_containers", lambda: {"t@y.service": [Container("y", "t@y.service", OLD, "1", None, ())]}
    )
    with pytest.raises(HomelabError, match=r"t@\.container .* would change too"):
        pin(tmp_path, ("t@x.container", NEW))
    done = pin(tmp_path, ("t@.container", NEW), running=True)
    assert "t@y.service" in done["services_to_restart"]


def test_build_and_volume(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "a.container": "[Container]\nImage=b.build\n",
            "b.build": f"[Build]\nImageTag={OLD}\nImageTag=localhost/also:1\nSetWorkingDirectory=unit\n",
            "v.volume": f"[Volume]\nDriver=image\nImage={OLD}\n",
        },
    )
    pin(tmp_path, ("a.container", NEW), ("v.volume", NEW))
    assert (
        tree(tmp_path)["b.build"]
        == f"[Build]\nImageTag={NEW}\nImageTag=localhost/also:1\nSetWorkingDirectory=unit\n".encode()
    )
    assert NEW.encode() in tree(tmp_path)["v.volume"]


def test_absolute_path_has_to_be_the_file_that_counts(tmp_path: Path) -> None:
    lay(tmp_path, {"a.container": UNIT, "later/a.container": UNIT})
    with pytest.raises(HomelabError, match="is not what Quadlet reads"):
        pin(tmp_path, (str(tmp_path / "later/a.container"), NEW))
    assert pin(tmp_path, (str(tmp_path / "a.container"), NEW))["changed"]


def test_no_value_of_the_environment_in_the_diff(tmp_path: Path) -> None:
    lay(tmp_path, {"a.container": CONTAINER + "Environment=PASSWORD=s3cret \\\n  OTHER=s3cret\n"})
    assert "s3cret" not in str(pin(tmp_path, ("a.container", NEW)))
    assert b"s3cret" in tree(tmp_path)["a.container"]


AGAINST_A_PIN: list[tuple[str, dict[str, str], dict[str, Any], str]] = [
    (
        "auto_update",
        {"b.container": "AutoUpdate=registry\n"},
        {},
        r"b\.container: .*b\.container:3, .* auto_update: remove",
    ),
    ("pull", {"b.container": "Pull=newer\n"}, {}, r"Pull= \(newer, .*b\.container:3\) .* accept: \[pull\]"),
    ("two_words", {"b.container": "PodmanArgs=--pull newer\n"}, {}, r"PodmanArgs= \(newer, .* accept: \[pull\]"),
    ("hidden_by_policy", {"b.container": "Pull=newer\n", "c.image": "Policy=missing\n"}, {}, r"Pull= \(newer"),
    ("policy", {"b.container": "Pull=missing\n", "c.image": "Policy=always\n"}, {}, r"Policy= \(always"),
    ("last_word", {"b.container": "Pull=never\nPodmanArgs=--pull=always\n"}, {}, r"PodmanArgs= \(always"),
]


def image_and_containers(more: dict[str, str]) -> dict[str, str]:
    texts = {
        "a.container": "[Container]\nImage=c.image\n",
        "b.container": "[Container]\nImage=c.image\n",
        "c.image": f"[Image]\nImage={OLD}\n",
    }
    return {name: text + more.get(name, "") for name, text in texts.items()}


@pytest.mark.parametrize(
    ("more", "options", "words"), [case[1:] for case in AGAINST_A_PIN], ids=[case[0] for case in AGAINST_A_PIN]
)
def test_every_container_of_an_image_unit_has_a_say(
    more: dict[str, str], options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    lay(tmp_path, image_and_containers(more))
    before = tree(tmp_path)
    with pytest.raises(HomelabError, match=words):
        pinning.pin_units(Place(None, [str(tmp_path)], PODMAN_5_8), request(("c.image", NEW), **options), False)
    assert tree(tmp_path) == before


def test_what_podman_reads_first_on_its_command_line_does_not_count(tmp_path: Path) -> None:
    lay(tmp_path, image_and_containers({"b.container": "Pull=always\nPodmanArgs=--init --pull missing\n"}))
    assert pin(tmp_path, ("c.image", NEW))["changed"]


def test_tag_and_digest_are_refused_for_what_runs_an_image_unit(tmp_path: Path) -> None:
    lay(tmp_path, image_and_containers({"b.container": "AutoUpdate=registry\n"}))
    with pytest.raises(HomelabError, match=r"b\.container: .* both a tag and a digest"):
        pin(tmp_path, ("c.image", f"{NEW}@{DIGEST}"), auto_update="keep")
    assert pin(tmp_path, ("c.image", NEW), auto_update="keep")["changed"]


@pytest.mark.parametrize("method", ["edit", "dropin"])
def test_auto_update_of_every_container_is_removed(method: str, tmp_path: Path) -> None:
    lay(tmp_path, image_and_containers({"a.container": "AutoUpdate=local\n", "b.container": "AutoUpdate=registry\n"}))
    before = tree(tmp_path)
    assert pin(tmp_path, ("c.image", NEW), method=method, auto_update="remove")["changed"]
    after = tree(tmp_path)
    if method == "edit":
        assert after == {name: text.encode() for name, text in image_and_containers({}).items()} | {
            "c.image": f"[Image]\nImage={NEW}\n".encode()
        }
    else:
        assert {name: after[name] for name in before} == before
        assert after.keys() - before.keys() == {f"{name}.d/90-image-pin.conf" for name in before}
    assert not pin(tmp_path, ("c.image", NEW), method=method)["changed"]


@pytest.mark.parametrize("method", ["edit", "dropin"])
def test_auto_update_of_an_instance_is_removed_and_its_image_is_the_templates(method: str, tmp_path: Path) -> None:
    lay(tmp_path, {"t@.container": CONTAINER, "t@x.container.d/1.conf": "[Container]\nAutoUpdate=registry\n"})
    (tmp_path / "t@x.container").symlink_to("t@.container")
    with pytest.raises(HomelabError, match=r"t@x\.container: .*1\.conf:2"):
        pin(tmp_path, ("t@.container", NEW), method=method)
    pin(tmp_path, ("t@.container", NEW), method=method, auto_update="remove")
    units = Place(None, [str(tmp_path)], DEBIAN_13).read()
    assert effective("t@x.container", units).image == NEW
    assert not pin(tmp_path, ("t@.container", NEW), method=method)["changed"]


def test_an_instance_with_an_image_of_its_own_has_no_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = f"[Container]\nImage={OTHER}\nAutoUpdate=registry\nPull=newer\n"
    lay(tmp_path, {"t@.container": CONTAINER, "t@x.container.d/1.conf": own})
    (tmp_path / "t@x.container").symlink_to("t@.container")
    running = {
        "t@x.service": [Container("x", "t@x.service", OTHER, "1", None, ())],
        "t@y.service": [Container("y", "t@y.service", OLD, "2", None, ())],
    }
    monkeypatch.setattr(pinning, "running_containers", lambda: running)
    assert pin(tmp_path, ("t@.container", NEW), running=True)["services_to_restart"] == ["t@y.service"]
    running["t@y.service"] = [Container("y", "t@y.service", NEW, "3", None, ())]
    assert pin(tmp_path, ("t@.container", NEW), running=True)["services_to_restart"] == []
    assert tree(tmp_path)["t@x.container.d/1.conf"] == own.encode()


def test_an_image_that_is_tagged_anew_keeps_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "localhost/app:current"
    lay(tmp_path, image_and_containers({"c.image": f"ImageTag={name}\n"}))
    running = {"a.service": [Container("a", "a.service", name, "1", None, ())]}
    monkeypatch.setattr(pinning, "running_containers", lambda: running)
    done = pin(tmp_path, ("c.image", NEW), running=True)
    assert done["services_to_restart"] == ["c-image.service", "a.service"], "it runs what had that name before"
    done = pin(tmp_path, ("c.image", NEW), running=True)
    assert (done["changed"], done["services_to_restart"]) == (False, [])


def test_a_podman_that_does_not_answer_leaves_nothing_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_answer() -> None:
        raise HomelabError("Cannot list the containers of this account: it is locked")

    lay(tmp_path, {"a.container": UNIT})
    before = tree(tmp_path)
    monkeypatch.setattr(pinning, "running_containers", no_answer)
    with pytest.raises(HomelabError, match="Cannot list"):
        pin(tmp_path, ("a.container", NEW), running=True)
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    ("files", "pinned", "loaded", "needed"),
    [
        ({"a.container": f"[Container]\nImage={NEW}\n"}, "a.container", {"a": [f"Image={NEW}"]}, False),
        ({"a.container": f"[Container]\nImage={NEW}\n"}, "a.container", {"a": [f"Image={OLD}"]}, True),
        ({"a.container": f"[Container]\nImage={NEW}\n"}, "a.container", {}, True),
        (
            {"a.container": f"[Container]\nImage={NEW}\n"},
            "a.container",
            {"a": [f"Image={NEW}", "AutoUpdate=registry"]},
            True,
        ),
        (
            {"a.container": CONTAINER, "a.container.d/90-image-pin.conf": f"[Container]\nImage={NEW}\n"},
            "a.container",
            {"a": [f"Image={OLD}", f"Image={NEW}"]},
            False,
        ),
        (
            {"a.container": CONTAINER, "a.container.d/90-image-pin.conf": f"[Container]\nImage={NEW}\n"},
            "a.container",
            {"a": [f"Image={NEW}", f"Image={OLD}"]},
            True,
        ),
        (
            {"b.build": f"[Build]\nImageTag={NEW}\nImageTag={OLD}\nSetWorkingDirectory=unit\n"},
            "b.build",
            {"b-build": [f"ImageTag={OLD}", f"ImageTag={NEW}"]},
            True,
        ),
        (
            {"c.image": f"[Image]\nImage={NEW}\n", "a.container": "[Container]\nImage=c.image\n"},
            "c.image",
            {"c-image": [f"Image={NEW}"], "a": ["Image=c.image", "AutoUpdate=registry"]},
            True,
        ),
        (
            {"c.image": f"[Image]\nImage={NEW}\n", "a.container": "[Container]\nImage=c.image\n"},
            "c.image",
            {"c-image": [f"Image={NEW}"], "a": ["Image=c.image"]},
            False,
        ),
    ],
    ids=[
        "same",
        "old",
        "never",
        "auto_update",
        "drop_in",
        "old_drop_in",
        "old_build",
        "auto_update_of_runner",
        "runner",
    ],
)
def test_what_systemd_has_loaded_is_compared(
    files: dict[str, str],
    pinned: str,
    loaded: dict[str, list[str]],
    needed: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As after a run that was killed between the edit and the reload. Looking for any line that matches fails half of them."""
    lay(tmp_path / "units", files)
    (tmp_path / "generator").mkdir()
    for service, lines in loaded.items():
        section = f"[X-{'Build' if 'build' in service else 'Image' if 'image' in service else 'Container'}]"
        text = "\n".join(["#", section, *lines, "[Unit]", f"Image={OLD}", ""])
        (tmp_path / "generator" / f"{service}.service").write_text(text)
    monkeypatch.setattr(Place, "generated", str(tmp_path / "generator"))
    done = pin(tmp_path / "units", (pinned, NEW))
    assert (done["changed"], done["daemon_reload_needed"]) == (False, needed)


LINES = st.sampled_from(
    [
        f"Image={OLD}",
        f"Image = {OLD} ",
        f'Image="{OLD}"',
        "Image=registry.example.org/app:1.\\",
        "2.3",
        "Image=",
        "# note",
        "; x \\",
        "",
        "Exec=x \\",
        "[Container]",
        "[Service]",
        "AutoUpdate=registry",
        "Environment=A=b",
    ]
)
TEXTS = st.builds(
    lambda lines, newline, last: newline.join(["[Container]", f"Image={OLD}", *lines]) + (newline if last else ""),
    st.lists(LINES, max_size=7),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
NAMES = st.sampled_from(
    [
        "a-b.container.d/10.conf",
        "a-.container.d/20.conf",
        "container.d/95.conf",
        "a-b.container.d/90-image-pin.conf",
        "sub/a-b.container",
        "other.container",
    ]
)


@settings(deadline=None, max_examples=250)
@given(TEXTS, st.dictionaries(NAMES, TEXTS, max_size=3), st.sampled_from(["edit", "dropin"]))
def test_a_pin_holds_or_nothing_was_touched(text: str, more: dict[str, str], method: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory).resolve()
        lay(root, {"a-b.container": text, **more})
        before = tree(root)
        try:
            done = pin(root, ("a-b.container", NEW), method=method, auto_update="remove")
        except HomelabError:
            event("refused")
            assert tree(root) == before
            return
        event("pinned" if done["changed"] else "pinned already")
        units = Place(None, [directory], DEBIAN_13).read()
        assert effective("a-b.container", units).image == NEW
        after = tree(root)
        if method == "dropin":
            assert {name for name in after if after[name] != before.get(name)} <= {
                "a-b.container.d/90-image-pin.conf",
                "sub/a-b.container.d/90-image-pin.conf",
            }
        else:
            assert after.keys() == before.keys()
            # What is not the image and not AutoUpdate is there as it was, in its order.
            for name, data in after.items():
                assert _rest(data) == _rest(before[name])
        assert not pin(root, ("a-b.container", NEW), method=method, auto_update="remove")["changed"]
        assert tree(root) == after


def _rest(data: bytes) -> list[bytes]:
    comments = [
        line
        for line in data.split(b"\n")
        if line.strip()[:1] in (b"#", b";", b"[") or line.startswith((b"Environment", b"Exec"))
    ]
    return [line.rstrip(b"\r") for line in comments]


def test_a_unit_of_a_set_has_its_writer_already(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {"app/a.container": UNIT, "app/.homelab-set.json": '{"files": ["units/app/a.container"], "hidden": []}'},
    )
    with pytest.raises(HomelabError, match="part of the set app, which would write it again"):
        pin(tmp_path, ("a.container", NEW))
    assert pin(tmp_path, ("a.container", NEW), method="dropin")["changed"]
