"""Runs playbooks/site.yml with the oldest Ansible that the collection supports: it must work, and a second run find nothing to do."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys

from runner import CHECKOUT

_NAME = "oldest"
_TEST_HOST = [sys.executable, str(CHECKOUT / "tests" / "test_host")]


def main() -> None:
    up = subprocess.run([*_TEST_HOST, "up", _NAME], check=True, stdout=subprocess.PIPE, text=True)
    command = [
        str(pathlib.Path(os.environ["CHECK_OLDEST"], "bin", "ansible-playbook")),
        f"--inventory={CHECKOUT / 'playbooks' / 'inventory.report'}",
        f"--inventory={json.loads(up.stdout)['inventory']}",
        "--diff",
        "patriark.homelab.site",
    ]
    _play(command)
    again = _play(command)
    subprocess.run([*_TEST_HOST, "down", _NAME], check=True)
    if not re.search(r"changed=0 ", again):
        sys.exit("The second run changed something.")


def _play(command: list[str]) -> str:
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(done.stdout, flush=True)
    if done.returncode:
        sys.exit("The playbook failed.")
    return done.stdout


if __name__ == "__main__":
    main()
