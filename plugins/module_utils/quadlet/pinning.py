# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pinning units to images: all of them, read again as Podman's generator would read the result, or nothing is touched."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from .. import account
from ..errors import HomelabError
from ..podman import Container
from . import auto_update, editing, image_reference, unit_file, unit_file_edits
from .conversion import Units
from .effective import Effective, effective, key_of
from .merged import Unit
from .pin_dangers import Pin, Pinned, find, refuse_auto_update, refuse_contradictions, refuse_unaccepted, runners_of
from .place import Place, on_this_host
from .running import drifts, instances_of, running_containers

DROP_IN = "90-image-pin.conf"
_HEADER = b"# Written by patriark.homelab.quadlet_image_pin.\n"


class Request(NamedTuple):
    """One task."""

    pins: Sequence[Pin]
    method: str
    auto_update: str
    running: bool
    accept: frozenset[str]


def pin(
    pins: Sequence[Mapping[str, str]],
    same_tag: bool,
    user: str | None,
    scope: str | None,
    unit_dirs: Sequence[str],
    method: str,
    auto_update: str,
    running: bool,
    accept: Sequence[str],
    check_mode: bool,
) -> dict[str, Any]:
    """Pin the units, or say in check mode what would be done. Returns the task's result."""
    wanted = [Pin(one["unit"], one["image"], image_reference.wanted(one["image"])) for one in pins]
    refuse_contradictions(wanted, same_tag)
    if check_mode and user and os.geteuid() == 0 and not account.exists(user):
        return _unchecked(wanted, f"This host has no account {user} yet, so that nothing could be checked.")
    who = account.resolve(user, scope)
    request = Request(wanted, method, auto_update, running, frozenset(accept))
    return account.run_as(who, lambda: pin_units(on_this_host(who, unit_dirs), request, check_mode))


def pin_units(place: Place, request: Request, check_mode: bool) -> dict[str, Any]:
    """The same as the account that is meant already."""
    units = place.read()
    missing = [one.unit for one in request.pins if not editing.is_there(one.unit, units)]
    if check_mode and missing:
        return _unchecked(
            request.pins,
            f"There is no unit {', '.join(missing)} in the search path yet, so that nothing could be checked.",
        )
    pinned = [find(one, units) for one in request.pins]
    refuse_unaccepted(pinned, request.accept)
    for one in pinned:
        refuse_auto_update(one, request.auto_update)
    plan = editing.Plan()
    placed = [_planned(one, request, place, plan) for one in pinned]
    changes = plan.changes()
    after = units
    if changes:
        after = place.read(editing.overlay(changes))
        placed = [
            one._replace(runners=runners_of(effective(one.before.unit.name, after), one.changing, after))
            for one in placed
        ]
        _refuse_other_outcome(placed, units, after, request)
    # Asked before anything is written, so that a Podman that does not answer leaves nothing changed.
    containers = running_containers() if request.running else {}
    if not check_mode:
        editing.tidy([*(one.path for one in placed), *(change.path for change in changes)])
        editing.apply(changes)
    return {
        "changed": bool(changes),
        "daemon_reload_needed": bool(changes) or any(_is_stale(one, place) for one in placed),
        "diff": editing.shown(changes),
        **_told(placed, after, request, {os.path.realpath(change.path) for change in changes}, containers),
    }


# --- The edits ---


def _planned(one: Pinned, request: Request, place: Place, plan: editing.Plan) -> Pinned:
    """Plan one pin; returns it with the place where the image will be named."""
    found = one.before.found
    updated: list[Unit] = []
    if request.auto_update == "remove":
        updated = [runner.unit for runner in one.runners if auto_update.in_force(runner.unit)]
    if request.method == "dropin":
        return _planned_drop_in(one, updated, place, plan) if updated or one.before.image != one.pin.image else one
    if found and one.before.image != one.pin.image:
        plan.set_value(found, one.pin.image)
    for unit in updated:
        for line in unit.assigned("AutoUpdate"):
            plan.remove(line)
    return one


def _planned_drop_in(one: Pinned, updated: Sequence[Unit], place: Place, plan: editing.Plan) -> Pinned:
    holder = one.before.holder
    if holder.kind == "build":
        raise HomelabError(
            f"{one.pin.unit}: what a .build unit makes is named by its first ImageTag=, which no drop-in can change. Say method: edit."
        )
    _with_key(holder, "Image", one.pin.image, place, plan)
    runners = {runner.unit.name: runner.unit for runner in one.runners}
    for unit in updated:
        # A template's drop-in counts for its instances, and one of their own would hide it, with the image in it.
        _with_key(runners.get(unit.template, unit), "AutoUpdate", "", place, plan)
    written = plan.drop_in(holder, DROP_IN, place.own_directory)
    named = unit_file.parse(written.data or b"").last(holder.section, "Image")
    return one._replace(path=written.path, line=named.line if named else None)


def _with_key(unit: Unit, key: str, value: str, place: Place, plan: editing.Plan) -> None:
    """Plan that key in the unit's drop-in; whatever else it holds stays."""
    found = plan.drop_in(unit, DROP_IN, place.own_directory)
    data = found.data if found.data is not None else _HEADER
    assignment = unit_file.parse(data).last(unit.section, key)
    if assignment:
        data = unit_file_edits.with_value(data, assignment, value)
    else:
        data = unit_file_edits.with_added(data, unit.section, key, [value])
    plan.write(found.path, data)


# --- The outcome ---


def _refuse_other_outcome(pinned: Sequence[Pinned], before: Units, after: Units, request: Request) -> None:
    """Each pin has to hold in what would be read next, whose runners are given, and nothing else may change."""
    for one in pinned:
        name = one.before.unit.name
        found = effective(name, after)
        if found.refusal or found.image != one.pin.image:
            overridden = found.found.place if found.found else found.refusal
            raise HomelabError(
                f"{one.pin.unit} would run {found.image} and not {one.pin.image}: "
                f"{overridden} has the last word. Change it there, then run the task again.",
                overridden_by=overridden,
            )
        for runner in one.runners if request.auto_update != "keep" else ():
            setting = auto_update.in_force(runner.unit)
            if setting:
                raise HomelabError(
                    f"{runner.unit.name}: podman auto-update would still look at it, told so by {setting.key}= at {setting.found.place}. Take that out first."
                )
    expected = {name for one in pinned for name in one.changing}
    for name in before.tree.units:
        old, new = effective(name, before), effective(name, after)
        if name not in expected and (old.image, old.refusal, _policy(old)) != (new.image, new.refusal, _policy(new)):
            raise HomelabError(
                f"{name} ({old.unit.path}) shares what would be changed, and would change too. Name it in pins as well, or use method: dropin."
            )


def _policy(one: Effective) -> str | None:
    setting = auto_update.in_force(one.unit)
    return setting.value if setting else None


# --- What is told ---


def _told(
    pinned: Sequence[Pinned],
    units: Units,
    request: Request,
    written: set[str],
    containers: dict[str, list[Container]] | None,
) -> dict[str, Any]:
    """What there is to say, with the units as they are or will be."""
    notes = (
        []
        if containers is not None
        else ["Podman is not installed on this host, so that no container could be looked at."]
    )
    told, first, then = [], [], []
    for one in pinned:
        makers, runners = _services(one, units, containers or {})
        behind, needed = list(runners), bool(written) and os.path.realpath(one.path) in written
        if request.running and runners:
            behind = [
                service
                for service, image in runners.items()
                for container in (containers or {}).get(service, ())
                # An image that ImageTag= names keeps its name when it becomes another.
                if drifts(container, image) or (needed and image != one.pin.image)
            ]
            needed = bool(behind)
        if needed:
            first += makers
            then += behind
        told.append(
            {
                "unit": one.before.unit.name,
                "path": one.path,
                "line": one.line,
                "before": one.before.image,
                "after": one.pin.image,
                "direction": image_reference.direction(one.before.image, one.pin.image),
                "effective_image": one.pin.image,
                "overridden_by": None,
                "service": one.before.service,
                "restart_needed": needed,
            }
        )
    return {"pins": told, "services_to_restart": list(dict.fromkeys([*first, *then])), "notes": notes}


def _services(one: Pinned, units: Units, containers: Collection[str]) -> tuple[list[str], dict[str, str | None]]:
    """The services that fetch or make the image, and those that run it with the image that each shall run, in order."""
    name = one.before.unit.name
    makers = [
        units.service(other) for other in [name, *sorted(one.changing - {name})] if units[other].kind != "container"
    ]
    images = {runner.unit.name: runner.image for runner in one.runners}
    runners: dict[str, str | None] = {}
    for runner in one.runners:
        is_template = runner.unit.stem.endswith("@")
        services = instances_of(runner.unit, units, containers) if is_template else {runner.service: runner.unit.name}
        runners.update((service, images[source]) for service, source in services.items() if source in images)
    return makers, runners


def _is_stale(one: Pinned, place: Place) -> bool:
    """Whether systemd has loaded another image or AutoUpdate than the files name."""
    units = {one.before.holder_service: one.before.holder, **{runner.service: runner.unit for runner in one.runners}}
    return any(_is_loaded_otherwise(service, unit, place) for service, unit in units.items())


def _is_loaded_otherwise(service: str, unit: Unit, place: Place) -> bool:
    loaded = place.loaded_text(service)
    if loaded is None:
        return place.generated is not None
    # The generator gives each section once, and each assignment of the unit and its drop-ins in one line, in their order.
    own = loaded.partition(f"\n[X-{unit.section}]\n".encode())[2].partition(b"\n[")[0].split(b"\n")
    for key in (key_of(unit), "AutoUpdate"):
        said = [f"{key}={found.assignment.value}".encode("utf-8", "surrogateescape") for found in unit.assigned(key)]
        if [line for line in own if line.startswith(f"{key}=".encode())] != said:
            return True
    return False


def _unchecked(pins: Sequence[Pin], note: str) -> dict[str, Any]:
    unknown = dict.fromkeys(("path", "line", "before", "effective_image", "overridden_by", "service"))
    return {
        "changed": False,
        "daemon_reload_needed": False,
        "diff": [],
        "pins": [
            {
                **unknown,
                "unit": os.path.basename(one.unit),
                "after": one.image,
                "direction": "unknown",
                "restart_needed": False,
            }
            for one in pins
        ],
        "services_to_restart": [],
        "notes": [note],
    }
