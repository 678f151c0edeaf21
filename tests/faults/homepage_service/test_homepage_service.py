"""Kills the edit of a tile, and lets the system refuse, at each call that changes something on disk.

A version that writes the file in place leaves half of it behind at the first write.
"""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
import tempfile

import pytest

BEFORE = "- Media:\n    - Immich:\n        widget:\n          type: immich\n" + "    # kept\n" * 2000
AFTER = BEFORE.replace("type: immich\n", "type: immich\n          version: 2\n")
EDIT = """
import os, pwd, sys
from ansible_collections.patriark.homelab.plugins.module_utils.errors import HomelabError
from ansible_collections.patriark.homelab.plugins.module_utils.homepage import tile
tile_of = {"path": sys.argv[1], "user": pwd.getpwuid(os.geteuid()).pw_name, "group": "Media", "name": "Immich"}
asked = {**tile_of, "set": {"widget": {"version": 2}}, "unset": [], "state": "present", "position": "last"}
try:
    sys.exit(CHANGED if tile.ensure(asked, False)["changed"] else UNCHANGED)
except HomelabError:
    sys.exit(REFUSED)
""".replace("UNCHANGED", "11").replace("CHANGED", "10").replace("REFUSED", "12")
CHANGED, UNCHANGED, REFUSED = 10, 11, 12
CALLS = ("write", "fsync", "fchmod", "link,linkat", "rename,renameat,renameat2", "unlink,unlinkat")
ERRORS = {"write": "ENOSPC", "fsync": "EIO", "fchmod": "EPERM", "link,linkat": "EROFS", "rename,renameat,renameat2": "EROFS", "unlink,unlinkat": "EIO"}


def run(path: pathlib.Path, *options: str) -> tuple[int, str]:
    """The edit under strace: how it ended, and the trace. It says so by its status, for a text would be one more write."""
    trace = path.parent.with_suffix(".trace")
    command = ["strace", "-f", "-o", str(trace), *options, sys.executable, "-B", "-c", EDIT, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, trace.read_text()


def calls() -> list[tuple[str, int]]:
    """Each changing call of an undisturbed edit: its kind, and the how manieth of its process it is."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "home", "services.yaml")
        path.parent.mkdir()
        path.write_text(BEFORE)
        answer, trace = run(path, "-e", f"trace={','.join(CALLS)}")
    assert answer == CHANGED
    found = []
    for kind in CALLS:
        process: dict[str, int] = {}
        for line in trace.splitlines():
            match = re.match(r"(\d+) +(\w+)\(", line)
            if match and match[2] in kind.split(","):
                process[match[1]] = process.get(match[1], 0) + 1
        found += [(kind, number + 1) for number in range(max(process.values()))]
    return found


PLACES = calls()


@pytest.fixture
def path(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir()
    file = folder / "services.yaml"
    file.write_text(BEFORE)
    return file


def assert_heals(path: pathlib.Path) -> None:
    """Whatever happened: the file is whole, and the next run ends with the file as asked for and nothing beside it."""
    assert path.read_text() in (BEFORE, AFTER)
    answer, _trace = run(path, "-e", "trace=none")
    assert answer in (CHANGED, UNCHANGED)
    assert path.read_text() == AFTER
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize(("kind", "number"), PLACES)
def test_killed(kind, number, path):
    _answer, trace = run(path, "-e", f"trace={kind}", "-e", f"inject={kind}:signal=KILL:when={number}")
    assert "SIGKILL" in trace
    assert_heals(path)


@pytest.mark.parametrize(("kind", "number"), PLACES)
def test_refused_by_the_system(kind, number, path):
    answer, trace = run(path, "-e", f"trace={kind}", "-e", f"inject={kind}:error={ERRORS[kind]}:when={number}")
    assert "INJECTED" in trace
    # The second write is the answer; what is removed last are temporary names that the next run finds.
    if answer == REFUSED and (kind, number) != ("write", 2):
        assert path.read_text() == BEFORE
    assert_heals(path)


def test_the_places_are_those_of_a_safe_replacement():
    assert {kind for kind, _number in PLACES} == set(CALLS)
