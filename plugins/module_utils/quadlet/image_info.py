# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's units run, as plain values. Nothing is changed, and no value of an environment key is told."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .. import account, podman
from . import auto_update, image_reference
from .conversion import Units
from .effective import Effective, effective, key_of
from .merged import Found, Unit
from .place import Place, on_this_host
from .running import drifts, instances_of, running_containers
from .search_path import Broken, Tree


def look(
    user: str | None, scope: str | None, unit_dirs: Sequence[str], units: Sequence[str], running: bool
) -> dict[str, Any]:
    """The units whose names match, and the files that cannot be read, whatever their names."""
    if user and os.geteuid() == 0 and not account.exists(user):
        return {
            "units": [],
            "broken_files": [],
            "notes": [f"This host has no account {user}, so that it has no units either."],
        }
    who = account.resolve(user, scope)
    return account.run_as(who, lambda: _seen(on_this_host(who, unit_dirs), units, running))


def _seen(place: Place, patterns: Sequence[str], running: bool) -> dict[str, Any]:
    units = place.read()
    names = [*units.tree.units, *units.tree.dropped]
    chosen = sorted(name for name in names if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns))
    # Podman makes its store when it is first asked, which a look at an account without units must not do.
    containers = running_containers() if running and chosen else {}
    described = [_describe(effective(name, units), units, containers) for name in chosen]
    notes = (
        []
        if containers is not None
        else ["Podman is not installed on this host, so that no container could be looked at."]
    )
    return {"units": described, "broken_files": _broken(units.tree), "notes": notes}


def _broken(tree: Tree) -> list[dict[str, Any]]:
    return [{"path": one.path, "line": one.line, "reason": _reason(one)} for one in tree.broken]


def _reason(one: Broken) -> str:
    return one.why if one.line is None else f"line {one.line} {one.why}"


def _describe(one: Effective, units: Units, containers: dict[str, list[podman.Container]] | None) -> dict[str, Any]:
    unit = one.unit
    pull = unit.last("Pull") if unit.kind in ("container", "build") else None
    instances = instances_of(unit, units, containers or {})
    images = {service: effective(name, units).image for service, name in instances.items()}
    ran = _running({one.service: one.image, **images}, containers or {})
    return {
        "unit": unit.name,
        "path": unit.path,
        "service": None if one.refusal else one.service,
        "problem": one.refusal,
        "effective_image": one.image or None,
        "class": kind_of(unit),
        "sources": _sources(one),
        "auto_update": _auto_update(unit),
        "pull": pull.value if pull and pull.value else None,
        "instances": list(instances),
        "volumes": [_volume(found) for found in unit.every("Volume")],
        "networks": [found.value for found in unit.every("Network")] if unit.kind != "network" else [],
        "copies": units.tree.copies.get(unit.name, []),
        "running": ran,
        "drift": any(container["drift"] for container in ran),
    }


def kind_of(unit: Unit) -> str | None:
    """How firmly the unit's own value names an image, or None where it names none."""
    value = unit.text(key_of(unit)) if unit.kind in ("container", "image", "build", "volume") else ""
    if value:
        return image_reference.kind(value)
    return "rootfs" if unit.kind == "container" and unit.text("Rootfs") else None


def _sources(one: Effective) -> list[dict[str, Any]]:
    """Every file that has a say in the image, in the order in which they are merged, with the lines that name one."""
    contributing: list[dict[str, Any]] = []
    for unit in [one.unit] if one.holder is one.unit else [one.unit, one.holder]:
        keys = ("Image", "ImageTag") if unit.kind == "image" else (key_of(unit),)
        assigned: Iterable[Found] = [found for key in keys for found in unit.assigned(key)]
        for source in unit.sources:
            lines = sorted(found.assignment.line for found in assigned if found.source is source)
            contributing.append({"path": source.path, "lines": lines})
    return contributing


def _auto_update(unit: Unit) -> dict[str, Any] | None:
    setting = auto_update.in_force(unit)
    if not setting:
        return None
    return {
        "value": setting.value,
        "key": setting.key,
        "path": setting.found.source.path,
        "line": setting.found.assignment.line,
    }


def _volume(found: Found) -> dict[str, Any]:
    source, colon, rest = found.value.partition(":")
    destination, _colon, options = rest.partition(":")
    return {
        "source": source if colon else None,
        "destination": destination if colon else source,
        "options": options,
        "path": found.source.path,
        "line": found.assignment.line,
    }


def _running(images: Mapping[str, str | None], containers: dict[str, list[podman.Container]]) -> list[dict[str, Any]]:
    """The containers of these services, each with whether it runs another image than its unit says, which is given."""
    return [
        {
            "container": container.name,
            "service": service,
            "image": container.image,
            "image_id": container.image_id,
            "drift": drifts(container, image),
        }
        for service, image in images.items()
        for container in containers.get(service, ())
    ]
