# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast a conversion is beside what a person does, as ratios in one run on Btrfs in memory. Needs root.

python3 tests/benchmarks/btrfs_nocow/run.py --size small|full

Both sides take turns, each on a new file system whose files are not cached. What a person does is: copy the tree into
a new directory with chattr +C, sync, let the two change places, remove the old one, sync. It keeps less (a writer loses
bytes, hard links to elsewhere, directory times), which is not held against it. bare.c tells how much of a conversion of
small files is the kernel's own, and an empty directory how much of a look is the start of Python.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

results = importlib.import_module("results")
filesystem = importlib.import_module("loop_btrfs.filesystem")
Filesystem, command = filesystem.Filesystem, filesystem.command

PROGRAM = HERE.parents[1] / "output" / "bare"
MIB = 1 << 20
# Small sizes only show that it runs: there the start of Python counts more than the work.
SIZES = {
    "small": {"rounds": 1, "done": 20_000, "large": 64 * MIB, "tiny": 5_000, "memory": 20_000},
    "full": {"rounds": 3, "done": 200_000, "large": 768 * MIB, "tiny": 100_000, "memory": 1_000_000},
}
AIMS = {"nothing to do, warm": 0.5, "nothing to do, cold": 1.2, "large files": 0.7, "tiny files": 1.0}
MEMORY_AIM_MIB = 60
A_DIRECTORY = 1000


def fill(top: str, count: int, size: int, nocow: bool = False) -> None:
    """Make that many files."""
    os.mkdir(top)
    if nocow:
        command("chattr", "+C", top)
    for number in range(count):
        directory = f"{top}/{number // A_DIRECTORY}"
        if number % A_DIRECTORY == 0:
            os.mkdir(directory)
        with open(f"{directory}/{number}", "wb") as stream:
            for start in range(0, size, MIB):
                stream.write(os.urandom(min(MIB, size - start)))
    command("sync", "-f", top)


def by_hand(top: str) -> None:
    """What a person does."""
    script = (
        'mkdir "$1.new" && chattr +C "$1.new" && cp -a "$1/." "$1.new/" && sync -f "$1.new" '
        '&& mv "$1" "$1.old" && mv "$1.new" "$1" && rm -rf "$1.old" && sync -f "$1"'
    )
    command("sh", "-c", script, "sh", top)


def converted(top: str) -> dict[str, object]:
    """What this collection does, the start of Python included."""
    with tempfile.TemporaryDirectory() as collections:
        namespace = pathlib.Path(collections, "ansible_collections", "patriark")
        namespace.mkdir(parents=True)
        (namespace / "homelab").symlink_to(HERE.parents[2])
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "ansible_collections.patriark.homelab.tests.loop_btrfs.convert",
                json.dumps({"path": top}),
            ],
            env={**os.environ, "PYTHONPATH": collections},
            capture_output=True,
            text=True,
            check=True,
        )
    result: dict[str, object] = json.loads(done.stdout)
    if result.get("failed") or result["not_done_total"]:
        raise SystemExit(done.stdout)
    return result


def listed(top: str) -> None:
    """What a person looks with."""
    subprocess.run(["lsattr", "-R", top], stdout=subprocess.DEVNULL, check=True)


@contextlib.contextmanager
def tree(count: int, size: int, nocow: bool = False) -> Iterator[tuple[object, str]]:
    """A file system with the files in it, none of them cached."""
    room = max(1 << 30, 3 * count * size + count * 8192)
    with Filesystem(str(room)) as mounted:
        top = f"{mounted.path}/data"
        fill(top, count, size, nocow)
        mounted.remount()
        yield mounted, top


def seconds(work: Callable[[str], object], top: str) -> float:
    """How long it takes, before whatever else the machine has to do, which the scheduler would weigh by who began it."""
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    try:
        started = time.monotonic()
        work(top)
        return time.monotonic() - started
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def in_turns(rounds: int, first: Callable[[], float], second: Callable[[], float]) -> dict[str, object]:
    """Times and the median of the ratios; who begins changes from round to round."""
    pairs = []
    for number in range(rounds):
        if number % 2:
            after, before = second(), first()
        else:
            before, after = first(), second()
        pairs.append((before, after))
    ratios = [ours / theirs for theirs, ours in pairs]
    return {
        "theirs_seconds": [round(theirs, 3) for theirs, _ours in pairs],
        "ours_seconds": [round(ours, 3) for _theirs, ours in pairs],
        "ratio": round(statistics.median(ratios), 2),
    }


def nothing_to_do(size: dict[str, int]) -> Iterator[tuple[str, dict[str, object]]]:
    with tree(size["done"], 100, nocow=True) as (mounted, top):

        def cold(work: Callable[[str], object]) -> float:
            mounted.remount()
            return seconds(work, top)

        yield "nothing to do, cold", in_turns(size["rounds"], lambda: cold(listed), lambda: cold(converted))
        listed(top)
        yield (
            "nothing to do, warm",
            in_turns(size["rounds"], lambda: seconds(listed, top), lambda: seconds(converted, top)),
        )
        empty = f"{top}/empty"
        os.mkdir(empty)
        yield (
            "no file at all",
            in_turns(size["rounds"], lambda: seconds(listed, empty), lambda: seconds(converted, empty)),
        )


def conversions(size: dict[str, int]) -> Iterator[tuple[str, dict[str, object]]]:
    for name, count, length, work in (
        ("large files", 2, size["large"], converted),
        ("tiny files", size["tiny"], 4096, converted),
        ("tiny files, bare", size["tiny"], 4096, exchanged_only(size["tiny"] // A_DIRECTORY)),
    ):

        def fresh(work: Callable[[str], object], count: int = count, length: int = length) -> float:
            with tree(count, length) as (_filesystem, top):
                return seconds(work, top)

        yield name, in_turns(size["rounds"], functools.partial(fresh, by_hand), functools.partial(fresh, work))


def exchanged_only(directories: int) -> Callable[[str], object]:
    """What no conversion can do without, in C: each file copied, exchanged and removed, with no safety at all."""

    def work(top: str) -> None:
        command(str(PROGRAM), top, str(directories))

    PROGRAM.parent.mkdir(exist_ok=True)
    command("cc", "-O2", "-o", str(PROGRAM), str(HERE / "bare.c"))
    return work


def memory(size: dict[str, int]) -> int:
    """The most memory that any child of this process used, in MiB: a conversion, unless cp or rm used more."""
    with tree(size["memory"], 100) as (_filesystem, top):
        converted(top)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="small")
    name = parser.parse_args().size
    size = SIZES[name]
    used = memory(size)  # first, for a compiler is among the programs that run later
    rows = {}
    print(f"{'work':<22}{'theirs s':>10}{'ours s':>10}{'ratio':>8}{'aim':>6}")
    for source in (nothing_to_do, conversions):
        for work, row in source(size):
            rows[work] = row
            theirs, ours = (statistics.median(row[f"{who}_seconds"]) for who in ("theirs", "ours"))
            print(f"{work:<22}{theirs:>10.3f}{ours:>10.3f}{row['ratio']:>8}{AIMS.get(work, '-'):>6}", flush=True)
    print(f"memory at {size['memory']} files: {used} MiB, aim under {MEMORY_AIM_MIB}")
    if name == "full":
        figures = {"sizes": size, "rows": rows, "aims": AIMS, "memory_mib": used, "memory_aim_mib": MEMORY_AIM_MIB}
        results.write("btrfs_nocow", figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
