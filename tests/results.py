"""Writes docs/results/NAME.json: what a benchmark measured, and on what, so that no figure in the docs lacks its origin.

A benchmark lies at tests/benchmarks/NAME/run.py, takes `--size small|full`, prints a table, and in full size calls
`write("NAME", figures)`. As a script it finds this module by `sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))`.
"""

from __future__ import annotations

import datetime
import json
import os
import pathlib
import platform
import subprocess
from collections.abc import Mapping

CHECKOUT = pathlib.Path(__file__).resolve().parents[1]


def write(name: str, figures: Mapping[str, object]) -> pathlib.Path:
    """Write the figures under that name; returns the file."""
    result = CHECKOUT / "docs" / "results" / f"{name}.json"
    result.parent.mkdir(parents=True, exist_ok=True)
    content = {"measured": _measured(), "figures": dict(figures)}
    result.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return result


def _measured() -> dict[str, object]:
    return {
        "commit": _git("rev-parse", "HEAD"),
        # A run in full size writes into the docs as it goes.
        "with_uncommitted_changes": bool(_git("status", "--porcelain", "--untracked-files=no", "--", ":!docs")),
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "machine": {
            "processor": _value("/proc/cpuinfo", "model name") or platform.machine(),
            "cores": len(os.sched_getaffinity(0)),
            "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30),
            "system": _value("/etc/os-release", "PRETTY_NAME", "=").strip('"'),
            "kernel": platform.release().partition("-")[0],
            "python": platform.python_version(),
        },
    }


def _value(path: str, key: str, separator: str = ":") -> str:
    """The first value of that key in a file of `key separator value` lines."""
    for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
        name, found, value = line.partition(separator)
        if found and name.strip() == key:
            return value.strip()
    return ""


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", CHECKOUT, *arguments], check=False, capture_output=True, text=True)
    return done.stdout.strip()
