# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A key's values over a unit and its drop-ins. Writing the whole list anew at one place fails the tests on comments and order."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils.command import Answer
from ansible_collections.patriark.homelab.plugins.module_utils.errors import HomelabError
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet import generator
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.place import Place
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.rules import rules_of
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.unit_file import parse
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.unit_key import Wanted, ensure, ensure_in
from hypothesis import event, given, settings
from hypothesis import strategies as st

DEBIAN_13 = rules_of((5, 4, 2))
UNIT = "# kept\n[Container]\nImage=a:1\n# data\nVolume=/a:/a\n# stray\nVolume=/b:/b\nVolume=/c:/c\n[Service]\nRestart=always\n"


def lay(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def place(root: Path) -> Place:
    return Place(None, [str(root)], DEBIAN_13)


def volumes(
    root: Path, *values: str, check: bool = False, method: str = "edit", section: str | None = None, key: str = "Volume"
) -> dict[str, Any]:
    return ensure_in(place(root), Wanted("a.container", section, key, values, method), check)


@pytest.mark.parametrize(
    ("values", "after"),
    [
        (["/a:/a", "/c:/c"], UNIT.replace("Volume=/b:/b\n", "")),
        (["/a:/a", "/b:/b:ro", "/c:/c"], UNIT.replace("/b:/b\n", "/b:/b:ro\n")),
        (["/z:/z", "/a:/a", "/b:/b", "/c:/c"], UNIT.replace("Volume=/a:/a\n", "Volume=/z:/z\nVolume=/a:/a\n")),
        (
            ["/a:/a", "/y:/y", "/b:/b", "/c:/c", "/d:/d"],
            UNIT.replace("/a:/a\n", "/a:/a\nVolume=/y:/y\n").replace("/c:/c\n", "/c:/c\nVolume=/d:/d\n"),
        ),
        ([], UNIT.replace("Volume=/a:/a\n", "").replace("Volume=/b:/b\n", "").replace("Volume=/c:/c\n", "")),
        (["/a:/a", "/b:/b", "/c:/c"], UNIT),
    ],
)
def test_the_fewest_lines(values: list[str], after: str, tmp_path: Path) -> None:
    lay(tmp_path, {"a.container": UNIT})
    predicted = volumes(tmp_path, *values, check=True)
    assert tree(tmp_path) == {"a.container": UNIT.encode()}
    done = volumes(tmp_path, *values)
    assert done == predicted
    assert done["changed"] == (after != UNIT)
    assert tree(tmp_path) == {"a.container": after.encode()}
    assert not volumes(tmp_path, *values)["changed"]


@pytest.mark.parametrize(
    ("text", "section", "key", "after"),
    [
        ("[Container]\nImage=a:1", None, "Pull", "[Container]\nImage=a:1\nPull=new"),
        (
            "[Container]\r\nImage=a:1\r\n[Service]\r\n",
            "Service",
            "Restart",
            "[Container]\r\nImage=a:1\r\n[Service]\r\nRestart=new\r\n",
        ),
        ("[Container]\nImage=a:1\n", "Service", "Restart", "[Container]\nImage=a:1\n\n[Service]\nRestart=new\n"),
        (
            "[Container]\nImage=a:1\nPull=old\nPull=\n",
            None,
            "Pull",
            "[Container]\nImage=a:1\nPull=old\nPull=\nPull=new\n",
        ),
        ('[Container]\nImage=a:1\nPull="old"\n', None, "Pull", "[Container]\nImage=a:1\nPull=new\n"),
        ("[Container]\nPull=never\nImage=a\\\n", None, "Network", "[Container]\nPull=never\nNetwork=new\nImage=a\\\n"),
    ],
)
def test_where_a_key_is_added(text: str, section: str | None, key: str, after: str, tmp_path: Path) -> None:
    lay(tmp_path, {"a.container": text})
    volumes(tmp_path, "new", section=section, key=key)
    assert tree(tmp_path)["a.container"].decode() == after


def test_lines_of_several_files(tmp_path: Path) -> None:
    lay(tmp_path, {"a.container": UNIT, "a.container.d/1.conf": "[Container]\nVolume=/d:/d\n# note\n"})
    volumes(tmp_path, "/a:/a", "/c:/c")
    assert tree(tmp_path) == {
        "a.container": UNIT.replace("Volume=/b:/b\n", "").encode(),
        "a.container.d/1.conf": b"[Container]\n# note\n",
    }


def test_drop_in(tmp_path: Path) -> None:
    lay(tmp_path, {"a.container": UNIT})
    for values, lines in ((["/z:/z"], "Volume=\nVolume=/z:/z\n"), ([], "Volume=\n")):
        assert volumes(tmp_path, *values, method="dropin")["changed"]
        written = f"# Written by patriark.homelab.quadlet_key.\n\n[Container]\n{lines}".encode()
        assert tree(tmp_path) == {"a.container": UNIT.encode(), "a.container.d/90-Container-Volume.conf": written}
        assert not volumes(tmp_path, *values, method="dropin")["changed"]


@pytest.mark.parametrize(
    ("files", "key", "values", "method", "words"),
    [
        (
            {"a.container.d/99.conf": "[Container]\nVolume=/d:/d\n"},
            "Volume",
            ["/z:/z"],
            "dropin",
            r"99\.conf:2 has the last word",
        ),
        (
            {"container.d/1.conf": "[Container]\nVolume=/d:/d\n", "b.container": "[Container]\nImage=a:1\n"},
            "Volume",
            [],
            "edit",
            r"b\.container .* would change too",
        ),
        ({}, "Unheard", ["1"], "edit", "does not know the key Unheard"),
        ({}, "Image", [], "edit", "no service of a.container any more"),
        ({}, "Network", ["missing.network"], "edit", r"there is no such unit"),
        ({"b.network": "oops\n"}, "Volume", [], "edit", r"b\.network \(line 1"),
        (
            {"a.container.d/90-Container-Volume.conf": "[Container]\nVolume=/q:/q\n"},
            "Volume",
            [],
            "dropin",
            "was not written by this module",
        ),
    ],
)
def test_refused_and_untouched(
    files: dict[str, str], key: str, values: list[str], method: str, words: str, tmp_path: Path
) -> None:
    lay(tmp_path, {"a.container": UNIT, **files})
    before = tree(tmp_path)
    with pytest.raises(HomelabError, match=words):
        volumes(tmp_path, *values, key=key, method=method)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("value", ["", " a", "a ", "a\nb", "a\\"])
def test_values_that_would_be_read_otherwise(value: str) -> None:
    with pytest.raises(HomelabError, match="cannot be written on one line"):
        ensure("a.container", None, "Volume", [value], "present", None, None, ["/nowhere"], "edit", False)


def test_values_of_the_environment_are_not_told(tmp_path: Path) -> None:
    lay(tmp_path, {"a.container": UNIT + "[Container]\nEnvironment=PASSWORD=0ld\n"})
    assert "s3cret" not in str(volumes(tmp_path, "PASSWORD=s3cret", key="Environment"))
    assert b"PASSWORD=s3cret" in tree(tmp_path)["a.container"]


@pytest.mark.parametrize(
    ("unit", "key", "value"),
    [
        ("a.image", "Creds", "me:s3cret"),
        ("a.image", "DecryptionKey", "/key:s3cret"),
        ("a.image", "PodmanArgs", "--creds me:s3cret"),
        ("a.container", "GlobalArgs", "--env PW=s3cret"),
    ],
)
def test_values_of_other_keys_that_may_be_secret_are_not_told(unit: str, key: str, value: str, tmp_path: Path) -> None:
    section = unit.rpartition(".")[2].capitalize()
    text = f"[{section}]\nImage=a:1\n#{key}={value}\n{key}={value}0\n"
    lay(tmp_path, {unit: text})
    for values in ([value], []):
        done = ensure_in(place(tmp_path), Wanted(unit, None, key, values, "edit"), False)
        assert (done["changed"], done["before"], done["after"]) == (True, None, None)
        assert "s3cret" not in str(done)
    lay(tmp_path, {unit: f"[{section}]\nImage=a:1\nPodmanArgs=--quiet\n"})
    done = ensure_in(place(tmp_path), Wanted(unit, None, "PodmanArgs", ["--tls-verify"], "edit"), False)
    assert (done["before"], done["after"]) == (["--quiet"], ["--tls-verify"])


MADE = """---a.service---
[X-Container]
Image=a:1

[Unit]
SourcePath=/units/a.container

[Service]
Environment=PODMAN_SYSTEMD_UNIT=%n
ExecStart=podman run --name systemd-%N a:1
"""


@pytest.mark.parametrize(
    ("text", "section", "key", "values", "loaded", "needed"),
    [
        ("", "Service", "Restart", [], "Restart=always\n", True),
        ("[Service]\nRestart=no\n", "Service", "Restart", ["no"], "Restart=no\n", False),
        ("", "Service", "Restart", [], "", False),
        ("[Service]\nExecStartPre=a\n", "Service", "ExecStartPre", ["a"], "ExecStartPre=a\nExecStartPre=b\n", True),
        ("[Quadlet]\nDefaultDependencies=no\n", "Quadlet", "DefaultDependencies", ["no"], "", True),
        (
            "[Quadlet]\nDefaultDependencies=no\n",
            "Quadlet",
            "DefaultDependencies",
            ["no"],
            "[X-Quadlet]\nDefaultDependencies=no\n",
            False,
        ),
        ("[Container]\nPull=never\n", None, "Pull", ["never"], "[X-Container]\nPull=never\n", False),
        ("", None, "Pull", [], "[X-Container]\nPull=never\n", True),
    ],
)
def test_what_systemd_has_loaded_is_compared(
    text: str,
    section: str | None,
    key: str,
    values: list[str],
    loaded: str,
    needed: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As after a run that was killed between the edit and the reload: what is no longer wanted may be loaded still."""
    lay(tmp_path, {"units/a.container": "[Container]\nImage=a:1\n" + text})
    header = "#\n# Automatically generated by /usr/lib/systemd/user-generators/podman-user-generator\n#\n"
    lay(tmp_path, {"generator/a.service": header + MADE.partition("\n")[2] + loaded})
    monkeypatch.setattr(Place, "generated", str(tmp_path / "generator"))
    made = MADE + text.partition("[Service]\n")[2] + "\n"
    monkeypatch.setattr(generator, "_run", lambda directories, user: Answer(0, made, ""))
    done = volumes(tmp_path / "units", *values, section=section, key=key)
    assert (done["changed"], done["daemon_reload_needed"]) == (False, needed)


LINES = st.sampled_from(
    [
        "Volume=/a:/a",
        "Volume = /b:/b ",
        "Volume=/c\\",
        ":/c",
        "Volume=",
        "# note",
        "; x \\",
        "",
        "Exec=x \\",
        "[Container]",
        "[Service]",
        "Image=a:1",
    ]
)
TEXTS = st.builds(
    lambda lines, newline, last: newline.join(["[Container]", "Image=a:1", *lines]) + (newline if last else ""),
    st.lists(LINES, max_size=9),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
VALUES = st.lists(st.sampled_from(["/a:/a", "/b:/b", "/c:/c", "/d:/d"]), max_size=4)


@settings(deadline=None, max_examples=250)
@given(
    TEXTS,
    st.dictionaries(st.sampled_from(["a.container.d/1.conf", "container.d/95.conf"]), TEXTS, max_size=2),
    VALUES,
    st.sampled_from(["edit", "dropin"]),
)
def test_the_key_has_the_values_or_nothing_was_touched(
    text: str, more: dict[str, str], values: list[str], method: str
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory).resolve()
        lay(root, {"a.container": text, **more})
        before = tree(root)
        try:
            done = volumes(root, *values, method=method)
        except HomelabError:
            event("refused")
            assert tree(root) == before
            return
        event("set" if done["changed"] else "as wanted already")
        assert [found.value for found in place(root).read()["a.container"].every("Volume")] == values
        after = tree(root)
        for name, data in before.items():
            assert after[name] == data or _rest(after[name]) == _rest(data)
        assert not volumes(root, *values, method=method)["changed"]
        assert tree(root) == after


def _rest(data: bytes) -> tuple[list[bytes], list[tuple[str, str, str]]]:
    """The comments, and the assignments of other keys, each in their order."""
    comments = [line.strip() for line in data.split(b"\n") if line.strip()[:1] in (b"#", b";")]
    return comments, [found[:3] for found in parse(data).assignments if found.key != "Volume"]
