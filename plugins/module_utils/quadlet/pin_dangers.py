# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What speaks against a pin: what cannot be pinned at all, and the dangers that a user may accept by name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from ..errors import HomelabError
from . import auto_update, editing, image_reference
from .conversion import Units
from .effective import Effective, effective
from .image_reference import Reference
from .merged import Found, Unit

_ELSEWHERE = {
    "kube": "its images are in the Kubernetes file that Yaml= names",
    "pod": "a pod has no image of its own, its containers have",
    "network": "a network has no image",
    "artifact": "an artifact is no image",
}


class Pin(NamedTuple):
    """One unit and the image that it shall run."""

    unit: str
    image: str
    reference: Reference


class Pinned(NamedTuple):
    """A pin with what was found before. ``path`` and ``line`` are where the image is named, or will be.

    ``changing`` are the units whose image it is meant to change, ``runners`` the containers that run what it names.
    """

    pin: Pin
    before: Effective
    path: str
    line: int | None
    changing: frozenset[str]
    runners: list[Effective]

    @property
    def place(self) -> str:
        return f"{self.path}:{self.line}"


def refuse_contradictions(pins: Sequence[Pin], same_tag: bool) -> None:
    """What is wrong with a task whatever the host holds."""
    seen: set[str] = set()
    for one in pins:
        name = os.path.basename(one.unit)
        if name in seen:
            raise HomelabError(f"{name} is named twice in pins. Name each unit once.")
        seen.add(name)
    if same_tag and len({one.reference.tag for one in pins}) > 1:
        tags = ", ".join(f"{one.unit} {one.reference.tag or 'none'}" for one in pins)
        raise HomelabError(
            f"The pins shall carry one tag, and do not: {tags}. Give them one tag, or say same_tag: false."
        )


def find(one: Pin, units: Units) -> Pinned:
    """What the unit runs now. Raises where it cannot be pinned."""
    name = editing.locate(one.unit, units)
    unit = units[name]
    if unit.kind in _ELSEWHERE:
        yaml = unit.last("Yaml")
        raise HomelabError(
            f"{one.unit} ({unit.path}) cannot be pinned: {_ELSEWHERE[unit.kind]}{f', at {yaml.place}: {yaml.value}' if yaml else ''}."
        )
    root = unit.last("Rootfs")
    if root and root.value and not unit.text("Image"):
        raise HomelabError(
            f"{one.unit} cannot be pinned: it runs no image but the directory {root.value}, which Rootfs= names at {root.place}."
        )
    if unit.kind == "volume" and unit.text("Driver") != "image":
        raise HomelabError(
            f"{one.unit} ({unit.path}) cannot be pinned: it is not a volume of an image, which Driver=image would make it."
        )
    found = effective(name, units)
    if found.refusal:
        raise HomelabError(f"Quadlet makes no service of {one.unit} ({unit.path}): {found.refusal}. Mend that first.")
    if found.found is None or not found.image:
        raise HomelabError(
            f"{one.unit} cannot be pinned: {found.holder.name} ({found.holder.path}) names no image. Mend that first."
        )
    if found.holder is not unit and found.holder.kind == "image" and found.found.assignment.key == "ImageTag":
        raise HomelabError(
            f"{one.unit} runs its image under the name that ImageTag= gives it at {found.found.place}. "
            f"Pin {found.holder.name}, which pulls it, instead."
        )
    changing = _changing_with(found, units)
    runners = runners_of(found, changing, units)
    return Pinned(one, found, found.found.source.path, found.found.assignment.line, changing, runners)


def _changing_with(one: Effective, units: Units) -> frozenset[str]:
    unit = one.unit
    names = {unit.name, one.holder.name}
    if unit.kind in ("image", "build"):
        names.update(name for name in units.tree.units if effective(name, units).holder is unit)
    if unit.stem.endswith("@"):
        names.update(name for name in units.tree.units if name.startswith(unit.stem) and name.endswith(f".{unit.kind}"))
    return frozenset(names)


def runners_of(named: Effective, changing: frozenset[str], units: Units) -> list[Effective]:
    """The containers among ``changing`` whose image is named where that of the pinned unit is, this unit first.

    An instance of a template that has an image of its own is none of them.
    """
    found = [named, *(effective(name, units) for name in sorted(changing - {named.unit.name}))]
    return [
        one
        for one in found
        if one.unit.kind == "container"
        and not one.refusal
        and (one.holder is named.holder or _is_named_with(one, named))
    ]


def _is_named_with(one: Effective, other: Effective) -> bool:
    """Whether one line names the image of both, as where an instance is a link to its template."""
    places = [
        (os.path.realpath(found.source.path), found.assignment.line) for found in (one.found, other.found) if found
    ]
    return len(places) == 2 and places[0] == places[1]


def refuse_unaccepted(pinned: Sequence[Pinned], accept: frozenset[str]) -> None:
    """Name every danger that was not accepted, of all the pins at once."""
    dangers = [(word, sentence) for one in pinned for word, sentence in _dangers(one) if word not in accept]
    if dangers:
        words = sorted({word for word, _sentence in dangers})
        sentences = " ".join(sentence for _word, sentence in dangers)
        raise HomelabError(
            f"{sentences} Nothing was changed. Where this is meant, add accept: [{', '.join(words)}].", refused=words
        )


def _dangers(one: Pinned) -> list[tuple[str, str]]:
    """Pairs of the word that accepts a danger and the sentence that tells it."""
    after, name = one.pin.image, one.pin.unit
    dangers = []
    kind = image_reference.kind(after)
    if kind in image_reference.FLOATING:
        dangers.append(("floating", f"{name}: {after} can mean another image tomorrow (its class is {kind})."))
    if one.before.image != after:
        dangers += _dangers_of_change(one, one.before.image or "")
    for pull in () if one.pin.reference.digest else _pulls(one):
        dangers.append(
            (
                "pull",
                f"{name}: {pull.assignment.key}= ({pull.value}, {pull.place}) asks the registry at each start what {after} means by then.",
            )
        )
    return dangers


def _dangers_of_change(one: Pinned, before: str) -> list[tuple[str, str]]:
    """Those that come of running another image than before."""
    after, name = one.pin.image, one.pin.unit
    dangers = []
    if image_reference.is_variable(before):
        dangers.append(
            (
                "variable",
                f"{name}: systemd fills in {before} ({one.place}) at each start, and the pin would replace that.",
            )
        )
    if image_reference.repository(before) != one.pin.reference.repository:
        dangers.append(
            (
                "repository_change",
                f"{name}: {before} ({one.place}) would become {after}, which is of another repository.",
            )
        )
    direction = image_reference.direction(before, after)
    if direction == "downgrade":
        dangers.append(
            (
                "downgrade",
                f"{name}: {after} is older than {before} ({one.place}), and may not read what that has written.",
            )
        )
    elif direction == "unknown":
        dangers.append(
            ("downgrade", f"{name}: it cannot be told whether {after} is older than {before} ({one.place}).")
        )
    return dangers


def _pulls(one: Pinned) -> list[Found]:
    """What makes the containers, or the unit that fetches their image, look for a newer one at each start."""
    said = [_policy(runner.unit, "Pull", "--pull") for runner in one.runners]
    if one.before.holder.kind == "image":
        said.append(_policy(one.before.holder, "Policy", "--policy"))
    return [found for found in said if found and found.value in ("newer", "always")]


def _policy(unit: Unit, key: str, option: str) -> Found | None:
    """What a unit says last on Podman's command line, where its PodmanArgs come after its keys."""
    return [unit.last(key), *(found._replace(value=value) for value, found in unit.options(option))][-1]


def refuse_auto_update(one: Pinned, wish: str) -> None:
    """``wish`` says what shall become of an AutoUpdate that is on: refuse, remove or keep."""
    for runner in one.runners:
        _refuse_auto_update_of(runner.unit, one.pin, wish)


def _refuse_auto_update_of(unit: Unit, pin: Pin, wish: str) -> None:
    setting = auto_update.in_force(unit)
    if not setting:
        return
    said = f"{unit.name}: podman auto-update is told to look at this unit by {setting.key}= at {setting.found.place}"
    if wish == "refuse":
        raise HomelabError(
            f"{said}, and would work against the pin. Say auto_update: remove to take that line out, or auto_update: keep."
        )
    if wish == "keep":
        if pin.reference.tag and pin.reference.digest:
            raise HomelabError(
                f"{said}, and fails for every container of the account where one has both a tag and a digest. "
                "Give the digest alone, or say auto_update: remove."
            )
        return
    for other in auto_update.settings(unit):
        if other.key != "AutoUpdate":
            raise HomelabError(
                f"{unit.name}: {other.key}= at {other.found.place} tells podman auto-update to look at this unit, "
                "and only AutoUpdate= lines are taken out. Take it out there first."
            )
        if not editing.is_own(other.found.source.path):
            raise HomelabError(
                f"{said}, and that file is another account's. Take it out there first, or say auto_update: keep."
            )
