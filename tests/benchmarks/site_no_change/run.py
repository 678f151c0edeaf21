"""Times a run of playbooks/site.yml that has nothing to do, beside a conventional playbook for the same host.

Both run over SSH from this machine on one throwaway host, in turns, with pipelining and ControlPersist on and facts off.
The conventional playbook has to find nothing to do on the host that site.yml made: that is what makes the two comparable.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

import yaml

HERE = pathlib.Path(__file__).resolve().parent
TESTS = HERE.parents[1]
TEST_HOST = [sys.executable, str(TESTS / "test_host")]
NAME = "site-no-change"
ROUNDS = {"small": 3, "full": 5}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=ROUNDS, default="small")
    size = parser.parse_args().size
    up = subprocess.run([*TEST_HOST, "up", NAME], check=True, stdout=subprocess.PIPE, text=True)
    try:
        host = json.loads(up.stdout)
        playbooks = {"site.yml": "patriark.homelab.site", "conventional": str(HERE / "conventional.yml")}
        play(host, playbooks["site.yml"])
        took: dict[str, list[float]] = {name: [] for name in playbooks}
        for _round in range(ROUNDS[size]):
            for name, playbook in playbooks.items():
                took[name].append(unchanged(host, playbook))
    finally:
        subprocess.run([*TEST_HOST, "down", NAME], check=True)
    report(took, size)


def play(host: dict[str, str], playbook: str) -> str:
    command = [str(pathlib.Path(sys.executable).with_name("ansible-playbook")), playbook]
    command += [f"--inventory={TESTS.parent / 'playbooks' / 'inventory.report'}", f"--inventory={host['inventory']}"]
    # The stand-in images, which have to win over the defaults that the conventional playbook reads in the play.
    command += [f"--extra-vars=@{pathlib.Path(host['inventory']).parent / 'group_vars' / 'homelab.yml'}"]
    settings = {"ANSIBLE_PIPELINING": "true", "ANSIBLE_GATHERING": "explicit", "ANSIBLE_NOCOLOR": "true"}
    done = subprocess.run(
        command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **settings}
    )
    if done.returncode:
        sys.exit(f"{done.stdout}\n{playbook} failed.")
    return done.stdout


def unchanged(host: dict[str, str], playbook: str) -> float:
    """Seconds of a run, which may not change anything."""
    start = time.monotonic()
    printed = play(host, playbook)
    seconds = time.monotonic() - start
    if not re.search(r"changed=0 ", printed):
        sys.exit(f"{printed}\n{playbook} changed something on a host that site.yml had made: the two do not say the same.")
    return seconds


def report(took: dict[str, list[float]], size: str) -> None:
    (conventional,) = yaml.safe_load((HERE / "conventional.yml").read_text(encoding="utf-8"))
    median = {name: statistics.median(seconds) for name, seconds in took.items()}
    ratio = median["site.yml"] / median["conventional"]
    print(f"{'':14}{'median':>8}{'least':>8}{'most':>8}   seconds, {ROUNDS[size]} rounds")
    for name, seconds in took.items():
        print(f"{name:14}{median[name]:8.2f}{min(seconds):8.2f}{max(seconds):8.2f}")
    print(f"ratio {ratio:.2f} (aim: at most 0.2), {len(conventional['tasks'])} conventional tasks")
    if size == "full":
        importlib.import_module("results").write(
            "site_no_change",
            {
                "rounds": ROUNDS[size],
                "seconds": {name: [round(one, 2) for one in seconds] for name, seconds in took.items()},
                "median_seconds": {name: round(one, 2) for name, one in median.items()},
                "ratio": round(ratio, 3),
                "conventional_tasks": len(conventional["tasks"]),
            },
        )


if __name__ == "__main__":
    sys.path.insert(0, str(TESTS))
    main()
