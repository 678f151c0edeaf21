"""Kills a pin of three units, and lets the system refuse, at each call that changes something on disk.

A version that writes each file in place leaves half a unit behind, which makes Quadlet drop the whole directory; one
that replaces file after file leaves some units pinned when a later one fails.
"""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
import tempfile

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.place import on_this_host

OLD, NEW = "registry.example.org/app:1.0.0", "registry.example.org/app:1.1.0"
NAMES = ("a.container", "b.container", "c.container")
DROP_IN = f"# Written by patriark.homelab.quadlet_image_pin.\n\n[Container]\nImage={NEW}\n"
PIN = """
import sys
from ansible_collections.patriark.homelab.plugins.module_utils.errors import HomelabError
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet import pinning
pins = [{"unit": name, "image": "IMAGE"} for name in NAMES]
try:
    result = pinning.pin(pins, False, None, None, [sys.argv[1]], sys.argv[2], "refuse", False, [], False)
except HomelabError:
    sys.exit(12)
sys.exit(10 if result["changed"] else 11)
""".replace("IMAGE", NEW).replace("NAMES", repr(NAMES))
CHANGED, UNCHANGED, REFUSED = 10, 11, 12
ERRORS = {
    "mkdir,mkdirat": "ENOSPC",
    "write": "ENOSPC",
    "fsync": "EIO",
    "fchmod": "EPERM",
    "link,linkat": "EROFS",
    "rename,renameat,renameat2": "EROFS",
    "unlink,unlinkat": "EIO",
}


def text(name: str, image: str) -> str:
    return f"# {name}\n" + "# kept\n" * 2000 + f"[Container]\nImage={image}\nExec=sleep 1\n"


def lay(units: pathlib.Path) -> None:
    """Three units, one of them a link into a checkout."""
    units.mkdir()
    for name in NAMES[:2]:
        (units / name).write_text(text(name, OLD))
    checkout = units.with_name("checkout")
    checkout.mkdir()
    (checkout / "c").write_text(text("c.container", OLD))
    (units / "c.container").symlink_to("../checkout/c")


def run(units: pathlib.Path, method: str, *options: str) -> tuple[int, str]:
    """The pin under strace: how it ended, and the trace. It says so by its status, for a text would be one more write."""
    trace = units.with_suffix(".trace")
    command = ["strace", "-f", "-o", str(trace), *options, sys.executable, "-B", "-c", PIN, str(units), method]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, trace.read_text()


def places(method: str) -> list[tuple[str, str, int]]:
    """Each changing call of an undisturbed run: the method, its kind, and the how manieth of its process it is."""
    with tempfile.TemporaryDirectory() as folder:
        units = pathlib.Path(folder, "units")
        lay(units)
        answer, trace = run(units, method, "-e", f"trace={','.join(ERRORS)}")
    assert answer == CHANGED
    found = []
    for kind in ERRORS:
        process: dict[str, int] = {}
        for line in trace.splitlines():
            match = re.match(r"(\d+) +(\w+)\(", line)
            if match and match[2] in kind.split(","):
                process[match[1]] = process.get(match[1], 0) + 1
        found += [(method, kind, number + 1) for number in range(max(process.values(), default=0))]
    return found


PLACES = [*places("edit"), *places("dropin")]


@pytest.fixture
def units(tmp_path: pathlib.Path) -> pathlib.Path:
    units = tmp_path / "units"
    lay(units)
    return units


def pinned(units: pathlib.Path, method: str) -> list[bool]:
    """Which units are pinned. Each is whole, old or new, and Quadlet can read the directory."""
    tree = on_this_host(None, [str(units)]).read().tree
    assert (set(tree.units), tree.broken) == (set(NAMES), [])
    done = []
    for name in NAMES:
        found = (units / name).read_text()
        if method == "edit":
            assert found in (text(name, OLD), text(name, NEW))
            done.append(found == text(name, NEW))
        else:
            drop_in = units / f"{name}.d" / "90-image-pin.conf"
            assert found == text(name, OLD)
            assert not drop_in.exists() or drop_in.read_text() == DROP_IN
            done.append(drop_in.exists())
    return done


def assert_heals(units: pathlib.Path, method: str) -> None:
    """The next run completes, and nothing lies about after it."""
    pinned(units, method)
    answer, _trace = run(units, method, "-e", "trace=none")
    assert answer in (CHANGED, UNCHANGED)
    assert pinned(units, method) == [True] * 3
    assert (units / "c.container").is_symlink()
    names = {name for _path, _directories, files in os.walk(units.parent) for name in files}
    assert names == {*NAMES, "c", "units.trace"} | ({"90-image-pin.conf"} if method == "dropin" else set())


@pytest.mark.parametrize(("method", "kind", "number"), PLACES)
def test_killed(method: str, kind: str, number: int, units: pathlib.Path) -> None:
    _answer, trace = run(units, method, "-e", f"trace={kind}", "-e", f"inject={kind}:signal=KILL:when={number}")
    assert "SIGKILL" in trace
    assert_heals(units, method)


@pytest.mark.parametrize(("method", "kind", "number"), PLACES)
def test_refused_by_the_system(method: str, kind: str, number: int, units: pathlib.Path) -> None:
    answer, trace = run(units, method, "-e", f"trace={kind}", "-e", f"inject={kind}:error={ERRORS[kind]}:when={number}")
    assert "INJECTED" in trace
    # Only taking away temporary names may fail without undoing the pins.
    assert answer == REFUSED or (kind == "unlink,unlinkat" and answer == CHANGED)
    assert pinned(units, method) == [answer == CHANGED] * 3
    assert_heals(units, method)


def test_all_kinds_of_calls_are_met() -> None:
    assert {kind for _method, kind, _number in PLACES} == set(ERRORS)
