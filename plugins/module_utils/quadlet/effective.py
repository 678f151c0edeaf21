# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which image a unit really runs once every drop-in and every unit that it names has had its say, and who says so."""

from __future__ import annotations

from typing import NamedTuple

from .conversion import Units
from .merged import Found, Unit

_RESOLVED = (".image", ".build")


class Effective(NamedTuple):
    """The image of one unit.

    ``image`` is what its command gets: None where no service or no image comes of the unit. ``found`` is the
    assignment that names it, and ``holder`` the unit which that belongs to: the unit itself, or the .image or .build
    unit that it names.
    """

    unit: Unit
    service: str
    image: str | None
    found: Found | None
    holder: Unit
    holder_service: str
    refusal: str | None


def key_of(unit: Unit) -> str:
    """The key that names the image of a unit of this kind."""
    return "ImageTag" if unit.kind == "build" else "Image"


def _own(unit: Unit) -> Found | None:
    """The assignment of the unit's own files that names its image."""
    if unit.kind in ("container", "image"):
        return unit.last("Image")
    if unit.kind == "volume" and unit.text("Driver") == "image":
        return unit.last("Image")
    if unit.kind == "build":
        return next(iter(unit.every("ImageTag")), None)
    return None


def _named(holder: Unit) -> Found | None:
    """The assignment that names the image which a container gets that names this .image or .build unit."""
    tag = holder.last("ImageTag")
    if holder.kind == "image" and tag and tag.value:
        return tag
    return _own(holder)


def effective(name: str, units: Units) -> Effective:
    """The image of a unit that is loaded or dropped."""
    unit = units[name]
    refusal = units.refusal(name)
    found, holder = _own(unit), unit
    if found and unit.kind in ("container", "volume") and found.value.endswith(_RESOLVED) and found.value in units:
        holder = units[found.value]
        found = _named(holder)
        # An .image that yields no service leaves the container without an image, and without a word.
        known = holder.kind == "build" or units.refusal(holder.name) is None
        image = found.value if found and known else None
    else:
        image = found.value if found else None
    if unit.kind == "container":
        image = image or None
    service = units.service(name)
    holder_service = service if holder is unit else units.service(holder.name)
    return Effective(unit, service, None if refusal else image, found, holder, holder_service, refusal)
