# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs of a unit now: its containers, the instances of a template, and whether they run what the unit names."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection

from .. import podman
from . import image_reference
from .conversion import Units
from .merged import Unit


def running_containers() -> dict[str, list[podman.Container]] | None:
    """The calling account's containers by their service, or None where there is no Podman to ask."""
    if not shutil.which("podman"):
        return None
    by_service: dict[str, list[podman.Container]] = {}
    for container in podman.containers():
        by_service.setdefault(container.unit, []).append(container)
    return by_service


def instances_of(unit: Unit, units: Units, containers: Collection[str]) -> dict[str, str]:
    """The services that are made of a template, each with the unit that says what it runs.

    Those of files named after it, which are units of their own, its default, and those that run.
    """
    if not unit.stem.endswith("@"):
        return {}
    before, _at, after = units.service(unit.name).partition("@")
    shape = re.compile(re.escape(f"{before}@") + "(.+)" + re.escape(after))
    found = {service: unit.name for service in containers if shape.fullmatch(service)}
    default = unit.text("DefaultInstance", "Install")
    if default:
        found[f"{before}@{default}{after}"] = unit.name
    found.update(
        (units.service(name), name)
        for name in units.tree.units
        if name.startswith(unit.stem) and name.endswith(f".{unit.kind}") and name != unit.name
    )
    return dict(sorted(found.items()))


def drifts(container: podman.Container, image: str | None) -> bool:
    """Whether a container runs another image than the one named, as far as names can tell: of a short name they cannot."""
    if image is None or image_reference.parse(image) is None:
        return False
    return image_reference.as_stored(container.image) != image_reference.as_stored(image)
