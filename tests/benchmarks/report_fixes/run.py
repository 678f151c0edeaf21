"""Times playbooks/report_fixes.yml over SSH: what it foresees on a host that was set up by hand, and on twenty at once.

The host is the one of the Molecule scenario existing_host, with everything on it to be fixed, so check mode goes through
every task. The twenty are twenty names in the inventory for this one host: the controller's work is that of twenty
hosts, the host's is that of one host asked by twenty, and all of it shares one machine.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

TESTS = pathlib.Path(__file__).resolve().parents[2]
TEST_HOST = [sys.executable, str(TESTS / "test_host")]
NAME = "report-fixes-timed"
ROUNDS = {"small": 3, "full": 9}
HOSTS_AT_ONCE = 20
AIM_SECONDS = 6
# Pins, tile, mounts, and oCIS stopped, made NOCOW and started.
CHANGES = 6
VARIABLES = {"homelab_user": "photos", "ocis_remove_external_mounts": True, "ocis_data_nocow": True}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=ROUNDS, default="small")
    size = parser.parse_args().size
    os.environ.update(ANSIBLE_PIPELINING="true", ANSIBLE_GATHERING="explicit")
    up = subprocess.run([*TEST_HOST, "up", NAME], check=True, stdout=subprocess.PIPE, text=True)
    try:
        inventory = pathlib.Path(json.loads(up.stdout)["inventory"])
        play(inventory, str(TESTS.parent / "molecule" / "existing_host" / "prepare.yml"))
        took = {"one host, all to be done": foreseen(inventory, ROUNDS[size], CHANGES)}
        many = inventory.with_name("many.json")
        many.write_text(json.dumps(copies(json.loads(inventory.read_text()))), encoding="utf-8")
        took[f"{HOSTS_AT_ONCE} names at once"] = foreseen(many, 1 if size == "small" else 3, HOSTS_AT_ONCE * CHANGES)
        play(inventory, "patriark.homelab.report_fixes")
        took["one host, nothing to do"] = foreseen(inventory, ROUNDS[size], 0)
    finally:
        subprocess.run([*TEST_HOST, "down", NAME], check=True)
    report(took, size)


def copies(inventory: dict) -> dict:
    """The inventory with its one host under twenty names."""
    (variables,) = inventory["homelab"]["hosts"].values()
    return {"homelab": {"hosts": {f"host{number:02}": variables for number in range(1, HOSTS_AT_ONCE + 1)}}}


def play(inventory: pathlib.Path, playbook: str, *options: str) -> list[str]:
    """The names of the tasks that changed something, once for each host."""
    run_playbook = importlib.import_module("playbook_runs").run_playbook
    run = run_playbook(playbook, [inventory], f"--extra-vars={json.dumps(VARIABLES)}", f"--forks={HOSTS_AT_ONCE}", *options)
    if run.status:
        sys.exit(f"{run.printed}\n{playbook} failed.")
    return run.changed


def foreseen(inventory: pathlib.Path, rounds: int, changes: int) -> list[float]:
    """Seconds of runs in check mode, each of which has to foresee so many changes."""
    took = []
    for _round in range(rounds):
        start = time.monotonic()
        changed = play(inventory, "patriark.homelab.report_fixes", "--check", "--diff")
        took.append(time.monotonic() - start)
        if len(changed) != changes:
            sys.exit(f"Not {changes} but {len(changed)} changes were foreseen: {changed}")
    return took


def report(took: dict[str, list[float]], size: str) -> None:
    print(f"{'':26}{'median':>8}{'least':>8}{'most':>8}   seconds of --check")
    for name, seconds in took.items():
        print(f"{name:26}{statistics.median(seconds):8.2f}{min(seconds):8.2f}{max(seconds):8.2f}")
    print(f"The aim for one host is at most {AIM_SECONDS} seconds.")
    if size == "full":
        figures = {
            name: {"seconds": [round(one, 2) for one in seconds], "median_seconds": round(statistics.median(seconds), 2)} for name, seconds in took.items()
        }
        importlib.import_module("results").write("report_fixes", {"aim_seconds": AIM_SECONDS, "twenty_are_one_host": True, **figures})


if __name__ == "__main__":
    sys.path[:0] = [str(TESTS), str(TESTS.parent / "molecule" / "shared")]
    main()
