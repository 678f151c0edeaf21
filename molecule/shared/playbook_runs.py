"""What the scenarios' tests share: running playbooks as an admin would, and asking for an account's services."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import shlex
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True)
class Run:
    """What a playbook run said: its exit status, all that it printed, and per task the result."""

    status: int
    printed: str
    tasks: list[tuple[str, dict[str, Any]]]

    @property
    def changed(self) -> list[str]:
        return [name for name, result in self.tasks if result.get("changed")]

    @property
    def diffs(self) -> list[tuple[str, Any]]:
        return [(name, result["diff"]) for name, result in self.tasks if result.get("changed") and "diff" in result]

    @property
    def trouble(self) -> str:
        """Which tasks failed, and what they said; all that was printed where none did."""
        said = [f"{name}: {result.get('msg')}" for name, result in self.tasks if result.get("failed")]
        return "\n".join(said) or self.printed

    def result(self, task: str) -> dict[str, Any]:
        """The result of the task of that name."""
        return next(result for name, result in self.tasks if name == task)


def run_playbook(playbook: str, inventories: Sequence[object], *arguments: str, directory: pathlib.Path = CHECKOUT) -> Run:
    """Run the playbook with these inventories and further arguments."""
    call = [str(pathlib.Path(sys.executable).with_name("ansible-playbook")), playbook, *(f"--inventory={one}" for one in inventories), *arguments]
    environment = {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}
    done = subprocess.run(call, check=False, capture_output=True, text=True, env=environment, cwd=directory)
    return Run(done.returncode, done.stdout + done.stderr, _results(done.stdout))


def _results(printed: str) -> list[tuple[str, dict[str, Any]]]:
    start = printed.find("{\n")
    report = json.loads(printed[start:]) if start >= 0 else {"plays": []}
    return [(task["task"]["name"], result) for one in report["plays"] for task in one["tasks"] for result in task["hosts"].values()]


class Services:
    """An account's containers and services, asked for as the account. ``host`` is testinfra's."""

    def __init__(self, host: Any, user: str) -> None:
        self.host, self.user = host, user

    def command(self, *argv: str) -> str:
        # The account's own manager runs it: from root's session Podman may not enter a container.
        return shlex.join(["systemd-run", "--user", f"--machine={self.user}@.host", "--pipe", "--wait", "--quiet", "--collect", "--", *argv])

    def run(self, *argv: str) -> str:
        return str(self.host.check_output(self.command(*argv)))

    def active(self, unit: str) -> str:
        return self.run("systemctl", "--user", "show", "--property=ActiveState", "--value", unit).strip()

    def inspect(self, container: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = json.loads(self.run("podman", "container", "inspect", container))
        return found[0]
