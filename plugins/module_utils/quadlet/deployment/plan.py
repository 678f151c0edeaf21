# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done so that a set of units is as asked, and why: plain values in, plain values out.

Why a unit restarts is derived from the host, never from what a run has done: it was started before its files or
secrets became what they are. So a run that was killed after it wrote is completed by the next one.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from ...files import Change
from ...podman import Container
from ...systemd import State
from ..generator import Service, unknown
from .request import Request
from .seen import Seen, Stamp

_REMAKE = ("remake", "its unit has changed, and nothing uses what it made")


class Step(NamedTuple):
    """What is done with one unit. ``action`` is none, start, restart, remake, stop or remove."""

    service: Service
    action: str
    why: str


class Plan(NamedTuple):
    """What a task does. ``steps`` are the units that go, then those of the set in the order of their start."""

    changes: list[Change]
    secrets: list[str]
    steps: list[Step]
    reload: bool

    def having(self, *actions: str) -> list[Service]:
        """The services for which one of the actions is planned."""
        return [step.service for step in self.steps if step.action in actions]

    @property
    def changed(self) -> bool:
        return bool(self.changes or self.secrets or self.reload or any(step.action != "none" for step in self.steps))


def in_order(services: Iterable[Service]) -> list[Service]:
    """Those that others wait for first; otherwise by name. A circle is left to systemd, which breaks it."""
    by_name = {service.name: service for service in sorted(services, key=lambda one: one.name)}
    ordered: dict[str, Service] = {}

    def place(service: Service, above: frozenset[str]) -> None:
        for name in (*service.needs, *service.after):
            if name in by_name and name not in ordered and name not in above:
                place(by_name[name], above | {service.name})
        ordered.setdefault(service.name, service)

    for service in by_name.values():
        place(service, frozenset())
    return list(ordered.values())


def planned_reasons(
    request: Request, changes: Iterable[Change], secrets: Iterable[str], services: Iterable[Service]
) -> dict[str, list[str]]:
    """By unit: what of that which is about to be written it reads at its start."""
    reasons: dict[str, list[str]] = {service.unit: [] for service in services}
    for change in changes:
        name = os.path.basename(change.path)
        wanted = request.files.get(change.path)
        for unit in wanted.restart if wanted else (name,):
            reasons.setdefault(unit, []).append(f"{name} changes")
    for service in services:
        reasons[service.unit] += [f"the secret {name} changes" for name in service.secrets if name in set(secrets)]
    return reasons


def _reasons(
    service: Service,
    before: Service | None,
    started: float | None,
    planned: Sequence[str],
    stamps: Sequence[Stamp],
    now: float,
) -> list[str]:
    if planned:
        return list(planned)
    if before is not None and before.text != service.text:
        return ["what Quadlet makes of it has changed"]
    # A time that has not come yet says nothing, and would ask for a restart in every run.
    return [
        f"{stamp.what} is newer than its start"
        for stamp in stamps
        if started is not None and started < stamp.changed <= now
    ]


def start_steps(services: Iterable[Service], seen: Seen, planned: Mapping[str, Sequence[str]]) -> list[Step]:
    """What makes every unit of the set run as its files and secrets now say, in the order of their start."""
    anew = {service.name for service in remade(seen.services, seen.loaded)}
    steps: dict[str, Step] = {}
    for service in in_order(services):
        if service.name in anew:
            steps[service.name] = Step(service, *_REMAKE)
            continue
        state = seen.states.get(service.name)
        stamps = [
            *seen.stamps.get(service.unit, ()),
            *(
                Stamp(f"the secret {name}", seen.secrets[name].updated)
                for name in service.secrets
                if name in seen.secrets
            ),
        ]
        reasons = _reasons(
            service,
            seen.loaded.get(service.name),
            state.started if state else None,
            planned.get(service.unit, ()),
            stamps,
            seen.at,
        )
        reasons += [
            f"{steps[name].service.unit} restarts"
            for name in service.needs
            if name in steps and steps[name].action == "restart"
        ]
        steps[service.name] = Step(service, *_start_action(service, state, reasons))
    return list(steps.values())


def _start_action(service: Service, state: State | None, reasons: Sequence[str]) -> tuple[str, str]:
    if service.is_template:
        return "none", "a template is started through its instances"
    if state is None or state.load == "not-found":
        return "start", "it is new"
    if not state.up and not state.finished:
        return "start", f"it is {state.active}"
    # Making a network or volume once more does nothing, and restarting its service would stop its users.
    if reasons and service.kind not in ("network", "volume"):
        return "restart", "; ".join(reasons)
    return "none", ""


def stop_steps(services: Iterable[Service], seen: Seen) -> list[Step]:
    """What stops the set: only what runs is stopped. Networks and volumes may be in use by others, and hold still."""
    anew = {service.name for service in remade(seen.services, seen.loaded)}
    steps = []
    for service in in_order(services):
        state = seen.states.get(service.name)
        if service.name in anew:
            steps.append(Step(service, *_REMAKE))
        elif service.runs and state is not None and (state.up or state.active == "failed"):
            steps.append(Step(service, "stop", "state is stopped"))
        else:
            steps.append(Step(service, "none", ""))
    return steps


def gone(request: Request, owned: Collection[str], loaded: Iterable[Service], files: Collection[str]) -> list[Service]:
    """Services of this set that systemd has loaded and whose units are to go, or went in a run that was killed.

    ``files`` are the names in the set's directory.
    """
    return [
        service
        for service in loaded
        if os.path.dirname(service.source) == request.directory
        and service.source not in request.units
        and (service.source in owned or service.unit not in files)
    ]


def remade(services: Iterable[Service], loaded: Mapping[str, Service]) -> list[Service]:
    """Networks and volumes whose unit asks for something else than what was made under the same name."""
    changed = []
    for service in services:
        before = loaded.get(service.name)
        if before is None or not service.made or before.made != service.made:
            continue
        if sorted(before.start) != sorted(service.start):
            changed.append(service)
    return changed


def needs_reload(
    services: Iterable[Service],
    loaded: Mapping[str, Service],
    states: Mapping[str, State],
    leaving: Sequence[Service],
    unit_changes: bool,
) -> bool:
    """Whether systemd has loaded something else than what the generator yields now."""
    if unit_changes or leaving or any(state.stale for state in states.values()):
        return True
    return any(service.name not in loaded or loaded[service.name].text != service.text for service in services)


def drifted(
    services: Iterable[Service], containers: Iterable[Container], local: Mapping[str, str | None]
) -> dict[str, str]:
    """By unit, why it does not run the image that its reference now names. ``local`` gives the images' identities."""
    running = {container.unit: container.image_id for container in containers}
    return {
        service.unit: f"{service.image} is another image than the one that runs"
        for service in services
        if service.name in running and service.image and local.get(service.image) not in (None, running[service.name])
    }


def make_plan(request: Request, seen: Seen, drift: Mapping[str, str]) -> Plan:
    """What the task has to do on the host as it was seen."""
    secrets = [
        name
        for name, value in sorted(request.secrets.items())
        if name not in seen.secrets or seen.secrets[name].value != value
    ]
    made = {service.source for service in seen.services}
    services = [*seen.services, *(unknown(path) for path in request.units if path not in made)]
    leaving = gone(request, seen.recorded.paths, seen.loaded.values(), seen.names)
    steps = [Step(service, "remove", "it is no longer in the set") for service in leaving]
    if request.state == "stopped":
        steps += stop_steps(services, seen)
    else:
        reasons = planned_reasons(request, seen.changes, secrets, services)
        for unit, why in drift.items():
            reasons[unit].append(why)
        steps += start_steps(services, seen, reasons)
    unit_changes = any(os.path.dirname(change.path) == request.directory for change in seen.changes)
    return Plan(seen.changes, secrets, steps, needs_reload(services, seen.loaded, seen.states, leaving, unit_changes))
