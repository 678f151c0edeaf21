"""Every system call by which quadlet_units changes files is killed, or fails with a full, broken or read-only disk.

Whatever happens, each file is whole, old or new; after an error all are old or all new; nothing lies about under a name
that Quadlet or a service would load; and the next run leaves exactly what was asked for.

``open(path, "w")`` fails this at the first write; writing beside and renaming file by file, without keeping the old ones,
fails where the third rename is refused; a record written after the files fails where the kill comes in between.
"""

from __future__ import annotations

import json
import os
import pathlib
import random
import re
import subprocess
import sys
from typing import NamedTuple

import pytest

HERE = pathlib.Path(__file__).parent
SEED = int(os.environ.get("CHECK_SEED") or random.SystemRandom().randrange(1 << 32))
SAMPLE = None if os.environ.get("CHECK_SIZE") == "full" else 12
FAULTS = ("signal=KILL", "error=ENOSPC", "error=EIO", "error=EROFS")
MUTATING = "openat,write,pwrite64,rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,rmdir,fsync,fdatasync,fchmod,fchown,fsetxattr"
UNITS = ".config/containers/systemd/toy"
FILES = "containers/config/toy"
LEFTOVER = re.compile(r"\..+\.homelab-tmp")


class Version(NamedTuple):
    """What a set holds: contents and modes by path below the home."""

    units: dict[str, str]
    files: dict[str, tuple[str, str | None]]

    def parameters(self, state: str = "started") -> dict:
        rendered = {
            "units": [{"content": content, "hidden": False} for content in self.units.values()],
            "files": [{"content": content, "hidden": False} for content, _mode in self.files.values()],
        }
        return {
            "name": "toy",
            "state": state,
            "units": list(self.units),
            "files": [
                {"src": "x", "dest": f"{FILES}/{name}", "mode": mode, "restart": []}
                for name, (_content, mode) in self.files.items()
            ],
            "secrets": {},
            "pull": "missing",
            "wait": True,
            "timeout": 1,
            "rendered": json.dumps(rendered),
        }

    def tree(self) -> dict[str, tuple[str, int]]:
        return {
            **{f"{UNITS}/{name}": (content, 0o644) for name, content in self.units.items()},
            **{f"{FILES}/{name}": (content, int(mode or "0644", 8)) for name, (content, mode) in self.files.items()},
        }


OLD = Version(
    {
        "a.container": "[Container]\nImage=a:1\n",
        "b.container": "[Container]\nImage=b:1\n",
        "gone.container": "[Container]\nImage=gone:1\n",
    },
    {"config.yaml": ("old: 1\n", "0600"), "gone.yaml": ("gone: 1\n", None)},
)
NEW = Version(
    {
        "a.container": "[Container]\nImage=a:2\n",
        "b.container": "[Container]\nImage=b:2\n",
        "made.network": "[Network]\n",
    },
    {"config.yaml": ("new: 2\n", "0640"), "deep/er/made.yaml": ("made: 2\n", None)},
)
NONE = Version({}, {})


class Home:
    """A home directory in which the set is brought from one version to another."""

    def __init__(self, path: pathlib.Path, old: Version, new: Version) -> None:
        self.path = path / "home"
        self.path.mkdir()
        (self.path / UNITS / "a.container.d").mkdir(parents=True)
        (self.path / UNITS / "a.container.d" / "10-theirs.conf").write_text("[Container]\n")
        self.parameters = path / "parameters.json"
        self.trace = path / "trace"
        self.new = new.parameters("started" if new.units else "absent")
        if old.units:
            assert self.run(old.parameters()).returncode == 0

    def run(self, parameters: dict | None = None, strace: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        self.parameters.write_text(json.dumps(parameters or self.new))
        tracer = (
            ["strace", f"--output={self.trace}", "--string-limit=300", f"--trace={MUTATING}", *strace] if strace else []
        )
        command = [*tracer, sys.executable, HERE / "file_phase.py", self.path, self.parameters]
        return subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"},
        )

    def calls(self) -> list[tuple[str, int]]:
        """The calls of a whole run that change something: name, and the how manieth of its name it is."""
        assert self.run(strace=("--quiet=all",)).returncode == 0
        counts: dict[str, int] = {}
        found = []
        begun = False
        for line in self.trace.read_text().splitlines():
            name = line.partition("(")[0]
            counts[name] = counts.get(name, 0) + 1
            begun = begun or "here-begins-the-file-phase" in line
            if begun and "here-begins" not in line and (name != "openat" or "O_CREAT" in line):
                found.append((name, counts[name]))
        return found

    def tree(self) -> dict[str, tuple[str, int]]:
        """Every file below the home but the foreign drop-in, the record and what the next run takes away."""
        found = {}
        for path in sorted(self.path.rglob("*")):
            if (
                path.is_file()
                and path.suffix != ".conf"
                and path.name != ".homelab-set.json"
                and not LEFTOVER.fullmatch(path.name)
            ):
                found[str(path.relative_to(self.path))] = (path.read_text(), path.stat().st_mode & 0o7777)
        return found

    def leftovers(self) -> list[str]:
        return [path.name for path in self.path.rglob("*") if LEFTOVER.fullmatch(path.name)]


CHANGES = {"first": (NONE, OLD), "update": (OLD, NEW), "absent": (NEW, NONE)}


@pytest.mark.parametrize("change", CHANGES)
def test_a_fault_anywhere_leaves_whole_files_and_the_next_run_completes(tmp_path, change, record_property):
    old, new = CHANGES[change]
    (tmp_path / "whole").mkdir()
    cases = [(name, count, fault) for name, count in Home(tmp_path / "whole", old, new).calls() for fault in FAULTS]
    assert len(cases) > 40, "the trace holds the run's calls"
    chosen = random.Random(SEED).sample(cases, SAMPLE) if SAMPLE else cases
    print(f"CHECK_SEED={SEED}: {len(chosen)} of {len(cases)} faults")
    record_property("faults", len(chosen))
    record_property("possible", len(cases))
    for number, (name, count, fault) in enumerate(chosen):
        folder = tmp_path / str(number)
        folder.mkdir()
        home = Home(folder, old, new)
        done = home.run(strace=(f"--inject={name}:{fault}:when={count}",))
        case = f"CHECK_SEED={SEED}: {name} number {count}, {fault}\n{done.stderr}\n{home.trace.read_text()[-3000:]}"
        assert "(INJECTED)" in home.trace.read_text() or "SIGKILL" in home.trace.read_text(), case
        after, before, wanted = home.tree(), old.tree(), new.tree()
        for path in {*after, *before, *wanted}:
            assert after.get(path) in (before.get(path), wanted.get(path)), f"{path} is neither old nor new: {case}"
        if fault != "signal=KILL":
            assert done.returncode in (0, 3), f"it neither succeeded nor said why not: {case}"
            assert "Traceback" not in done.stderr, case
            assert after == (before if done.returncode else wanted), f"neither all old nor all new: {case}"
        again = home.run()
        assert again.returncode == 0, again.stderr + case
        assert home.tree() == wanted, case
        assert home.leftovers() == [], case
        assert (home.path / UNITS / "a.container.d" / "10-theirs.conf").exists(), case
        assert (home.path / UNITS / ".homelab-set.json").exists() == bool(new.units), case
