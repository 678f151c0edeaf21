# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The account's own systemd: the state of its services as plain values, and the few commands that change it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import NamedTuple

from . import command
from .account import Account
from .errors import HomelabError

_PROPERTIES = (
    "LoadState,ActiveState,SubState,Result,Type,RemainAfterExit,NeedDaemonReload,FragmentPath,InactiveExitTimestamp,ActiveEnterTimestamp,Job"
)
# What Podman notes of each container's life; it would push out what the service itself said.
_EVENT = re.compile(r"\d{4}-\d\d-\d\d \S+ .* (container|image) \w+ [0-9a-f]{64} |[0-9a-f]{64}$")
# Long enough for every stop and start time-out that a unit may reasonably have.
_JOB_TIMEOUT = 900


class State(NamedTuple):
    """What systemd says of one service. Times are seconds since 1970, None where it never happened since the boot."""

    load: str
    active: str
    sub: str
    result: str
    kind: str
    remains: bool
    stale: bool  # its files on disk are newer than what systemd has loaded
    fragment: str
    started: float | None
    active_since: float | None
    busy: bool  # a job is waiting or running

    @property
    def up(self) -> bool:
        """Active, or on the way."""
        return self.active in ("active", "activating", "reloading")

    @property
    def finished(self) -> bool:
        """A one-shot service that has done its work and is not meant to stay."""
        return self.kind == "oneshot" and not self.remains and self.active == "inactive" and self.result == "success" and self.started is not None


def manager_runs(account: Account) -> bool:
    """Whether the account's own systemd is there to be asked."""
    return os.path.exists(f"{account.runtime_dir}/systemd/private")


def timestamp(text: str) -> float | None:
    """Seconds since 1970 of a time as ``systemctl show --timestamp=us+utc`` writes it."""
    if not text:
        return None
    _weekday, _blank, rest = text.partition(" ")
    return datetime.strptime(rest, "%Y-%m-%d %H:%M:%S.%f UTC").replace(tzinfo=timezone.utc).timestamp()


def _state(block: str) -> State:
    values = dict(line.partition("=")[::2] for line in block.splitlines())
    return State(
        load=values.get("LoadState", ""),
        active=values.get("ActiveState", ""),
        sub=values.get("SubState", ""),
        result=values.get("Result", ""),
        kind=values.get("Type", ""),
        remains=values.get("RemainAfterExit") == "yes",
        stale=values.get("NeedDaemonReload") == "yes",
        fragment=values.get("FragmentPath", ""),
        started=timestamp(values.get("InactiveExitTimestamp", "")),
        active_since=timestamp(values.get("ActiveEnterTimestamp", "")),
        busy=values.get("Job", "0") not in ("", "0"),
    )


def show(services: Sequence[str]) -> dict[str, State]:
    """The state of all the services, by one call."""
    if not services:
        return {}
    answer = command.output(
        "ask systemd for the state of the units", ["systemctl", "--user", "show", "--timestamp=us+utc", f"--property={_PROPERTIES}", "--", *services]
    )
    blocks = answer.rstrip("\n").split("\n\n")
    if len(blocks) != len(services):
        raise HomelabError(f"systemd was asked for {len(services)} units and told of {len(blocks)}. Run the task again.")
    return {service: _state(block) for service, block in zip(services, blocks)}


def reload() -> None:
    """Let the generators run and systemd take in what they yield."""
    command.output("make systemd load the new units", ["systemctl", "--user", "daemon-reload"])


def stop(services: Sequence[str]) -> None:
    """Stop the services and wait until they have stopped."""
    command.output(f"stop {', '.join(services)}", ["systemctl", "--user", "stop", "--", *services], timeout=_JOB_TIMEOUT)


def restart(services: Sequence[str]) -> None:
    """Start or restart the services, in the order that their units ask for, without waiting for the end of it."""
    command.output(f"start {', '.join(services)}", ["systemctl", "--user", "restart", "--no-block", "--", *services])


def reset_failed(services: Sequence[str]) -> None:
    """Forget that the services have failed, and how often they were started of late."""
    command.run(["systemctl", "--user", "reset-failed", "--", *services])


def last_words(account: Account, service: str, lines: int = 15) -> list[str]:
    """The last journal lines of a user service and of systemd about it. Root may read them where the account may not."""
    of_account = f"_UID={account.uid}"
    argv = ["journalctl", "--no-pager", "--quiet", "--output=cat", f"--lines={4 * lines}"]
    answer = command.run([*argv, of_account, f"_SYSTEMD_USER_UNIT={service}", "+", of_account, f"USER_UNIT={service}"])
    said = [line.rstrip() for line in answer.out.splitlines()]
    return [line for line in said if line and not _EVENT.match(line)][-lines:]
