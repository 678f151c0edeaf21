# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task says of what it found, did or would do: plain values in, the module's result out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ... import files
from ...files import Change
from ...podman import Container
from ...systemd import State
from ..generator import Service
from .plan import Plan, Step
from .request import Request
from .seen import Seen

# A program that dies of its configuration does so at once; what ends sooner after its start was never up.
_SETTLED = 1.0


def trouble(
    services: Iterable[Service], states: Mapping[str, State], containers: Iterable[Container], now: float
) -> dict[str, str]:
    """By service, why it is not yet what it should be: active, and healthy where something checks it."""
    health = {container.unit: container.health for container in containers}
    found = {}
    for service in services:
        state = states[service.name]
        if state.finished:
            continue
        if state.active != "active" or state.busy:
            found[service.name] = (
                f"is {state.active} ({state.sub}{'' if state.result in ('', 'success') else ', ' + state.result})"
            )
        elif health.get(service.name) in ("starting", "unhealthy"):
            found[service.name] = f"is active, and its health is {health[service.name]}"
        elif service.runs and state.active_since is not None and 0 <= now - state.active_since < _SETTLED:
            found[service.name] = "has only just become active"
    return found


def report(
    request: Request,
    seen: Seen,
    plan: Plan,
    states: Mapping[str, State],
    containers: Sequence[Container],
    unchecked: Sequence[str],
) -> dict[str, Any]:
    """The module's result."""
    by_service = {container.unit: container for container in containers if container.unit}
    gone = {step.service.source for step in plan.steps if step.action == "remove"}
    by_path = {change.path: change for change in plan.changes}
    return {
        "changed": plan.changed,
        "units": [
            _unit(
                step, by_path.get(step.service.source), states.get(step.service.name), by_service.get(step.service.name)
            )
            for step in plan.steps
        ],
        "files": sorted(
            change.path for change in plan.changes if change.path not in request.units and change.path not in gone
        ),
        "secrets": plan.secrets,
        "reloaded": plan.reload,
        "unchecked": list(unchecked),
        "diff": [_diff(request, seen, change) for change in plan.changes],
    }


def _unit(step: Step, change: Change | None, state: State | None, container: Container | None) -> dict[str, Any]:
    leaves = step.action == "remove"
    return {
        "name": step.service.unit,
        "service": step.service.name,
        "change": "removed" if leaves else _change_word(change),
        "action": step.action,
        "why": step.why,
        "active": "inactive" if leaves or state is None else state.active,
        "health": container.health if container and not leaves else None,
        "image": (container.image if container else None) or step.service.image,
    }


def _change_word(change: Change | None) -> str:
    if change is None:
        return "none"
    return "created" if change.before is None else "updated"


def _diff(request: Request, seen: Seen, change: Change) -> dict[str, str]:
    wanted = request.everything.get(change.path)
    if change.path in seen.recorded.hidden or (wanted and wanted.hidden):
        words = [
            "" if content is None else f"(it holds a secret and is not shown: {word})\n"
            for content, word in ((change.before, "before"), (change.after, "after"))
        ]
        return {"before_header": change.path, "after_header": change.path, "before": words[0], "after": words[1]}
    shown = files.as_diff(change.path, change.before, change.after)
    if change.before == change.after:
        shown.update(before=f"mode {seen.found[change.path].mode:04o}\n", after=f"mode {change.mode or 0:04o}\n")
    return shown
