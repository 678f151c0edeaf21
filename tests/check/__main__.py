"""Runs the project's own checks, one line per step with its time; `./check --help` lists the parts.

Two steps run at a time, benchmarks alone. Each step has a time limit, and so has the whole: CI must end. What cannot be
proved exhaustively is proved on a sample; CHECK_SEED and CHECK_SIZE (small, full) in the environment say which, and
tests read them.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pathlib
import random
import subprocess
import sys

import proofs
import runner
import steps
from runner import CHECKOUT

_CEILING = {"small": 48 * 60, "full": 6 * 3600}


def main() -> int:
    parts = list(steps.PARTS)
    parser = argparse.ArgumentParser(prog="./check", description=str(__doc__).partition("\n")[0])
    parser.add_argument("part", nargs="?", choices=[*parts, "full"], help="one part; everything in full size: full")
    parser.add_argument("name", nargs="?", help="for molecule and benchmarks: only this one")
    options = parser.parse_args()
    size = "full" if options.part == "full" else os.environ.get("CHECK_SIZE", "small")
    if size not in _CEILING:
        parser.error(f"CHECK_SIZE is {size!r}; it can be small or full.")
    seed = os.environ.get("CHECK_SEED") or _seed_of_commit()
    if not seed.isdecimal():
        parser.error(f"CHECK_SEED is {seed!r}; it can be a whole number.")
    os.environ.update(CHECK_SIZE=size, CHECK_SEED=seed, TEST_HOST_PREFIX="check-")
    chosen = [step for part in parts if options.part in (None, "full", part) for step in steps.PARTS[part](size)]
    if options.name:
        chosen = [step for step in chosen if step.name == options.name]
    if not chosen:
        parser.error("There is nothing to run under that name.")
    runner.LOGS.mkdir(parents=True, exist_ok=True)
    with open(runner.LOGS / ".lock", "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            parser.error("Another ./check runs in this checkout, or what a killed one left still does.")
        print(f"CHECK_SEED={seed} CHECK_SIZE={size} repeats this run's samples.", flush=True)
        _remove_hosts()  # a killed run may have left some
        for report in runner.LOGS.glob("*.xml"):
            report.unlink()  # of a run before
        try:
            started = float(os.environ["CHECK_STARTED"])
            outcomes = runner.run(chosen, started, _CEILING[size], lock.fileno())
            if options.part == "full":
                proofs.write(outcomes, seed)
            return 0 if all(outcome.passed for outcome in outcomes) else 1
        finally:
            _remove_hosts()


def _seed_of_commit() -> str:
    """Another sample for every commit, the same for all who look at one."""
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=CHECKOUT, check=False, capture_output=True, text=True)
    return str(int(head.stdout[:8], 16) if head.returncode == 0 else random.randrange(2**32))


def _remove_hosts() -> None:
    if pathlib.Path("/usr/bin/podman").exists():
        argv = [sys.executable, "tests/test_host", "down", "--all"]
        subprocess.run(argv, cwd=CHECKOUT, check=False, timeout=120, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
