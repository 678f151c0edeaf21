# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which images pin Immich's server and machine learning to what runs now, together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from .. import podman
from ..errors import HomelabError
from ..quadlet import auto_update, editing, image_reference
from .applications import Application, Change, exact_tag

# Where images say which version they are, besides the tag.
_LABEL = "org.opencontainers.image.version"
_VARIABLE = "IMMICH_SOURCE_REF="
_TITLES = {"immich": "server", "machine_learning": "machine learning"}


class Pin(NamedTuple):
    """The image of one unit, and whether anything has to be written for it."""

    unit: str
    image: str
    changes: Sequence[Change]


def pins(applications: Sequence[Application], image_of: Callable[[str], podman.Image | None]) -> list[Pin]:
    """The pins of all parts of Immich; HomelabError with one sentence where what runs cannot be told for sure."""
    running = {one.unit.name: _running(one, image_of) for one in applications}
    versions = {exact_tag(image) for image in running.values()} - {""}
    if len(versions) > 1:
        said = " and ".join(f"{one.unit.name} runs {running[one.unit.name]}" for one in applications)
        raise HomelabError(f"Immich is left alone: {said}, and its parts belong to one version. Start them with one version, then run this again.")
    if any(not exact_tag(image) for image in running.values()):
        # One tag for all of them, or none: a digest says the same without it. What is written stays as it is.
        written = [one.of.image for one in applications]
        running = {unit: image if image in written else _without_tag(image) for unit, image in running.items()}
    return [Pin(one.unit.name, running[one.unit.name], _changes(one, running[one.unit.name])) for one in applications]


def _without_tag(image: str) -> str:
    name, _at, digest = image.partition("@")
    return f"{image_reference.repository(name)}@{digest}"


def _running(one: Application, image_of: Callable[[str], podman.Image | None]) -> str:
    """The reference that means exactly the image that runs now: the unit's own where that does, else one with its digest."""
    _refuse_what_cannot_be_written(one)
    written = one.of.image or ""
    kind = image_reference.kind(written)
    if kind == "variable":
        raise HomelabError(
            f"Immich is left alone: systemd fills in {written} ({one.path}:{one.line}) at each start. Write the version there, then run this again."
        )
    if one.of.refusal:
        raise HomelabError(f"Immich is left alone: Quadlet makes no service of {one.unit.name}: {one.of.refusal}. Mend that, then run this again.")
    reference = image_reference.parse(written)
    if reference is None:
        raise HomelabError(f"Immich is left alone: {written} ({one.path}:{one.line}) does not name a registry. Write it in full, then run this again.")
    if one.container is None:
        if kind in ("exact", "digest", "tag_and_digest"):
            return written
        raise HomelabError(
            f"Immich is left alone: {one.of.service} does not run, and {written} ({one.path}:{one.line}) does not say "
            "which version it was. Start it, then run this again."
        )
    exact = kind in ("exact", "digest", "tag_and_digest")
    if exact and image_reference.as_stored(written) == image_reference.as_stored(one.container.image):
        return written
    image = image_of(one.container.image_id)
    if image is None:
        raise HomelabError(f"Immich is left alone: Podman no longer has the image that {one.of.service} runs. Restart it when that suits, then run this again.")
    if exact:
        if image_reference.as_stored(written) in (*image.tags, *image.digests):
            return written
        raise HomelabError(
            f"Immich is left alone: {one.unit.name} names {written} ({one.path}:{one.line}) and its container runs "
            f"{one.container.image}. Restart {one.of.service}, or write what runs, then run this again."
        )
    return _by_digest(one, reference.repository, image)


def _refuse_what_cannot_be_written(one: Application) -> None:
    for other in auto_update.settings(one.unit):
        if other.key != "AutoUpdate":
            raise HomelabError(
                f"Immich is left alone: {other.key}= at {other.found.place} tells podman auto-update to look at {one.unit.name}, "
                "and only AutoUpdate= lines are taken out. Take it out there, then run this again."
            )
    for path in {one.path, *(found.source.path for found in one.unit.assigned("AutoUpdate"))}:
        if not editing.is_own(path):
            raise HomelabError(f"Immich is left alone: {path} belongs to another account than the one whose units it is among. Change it as its owner.")


def _by_digest(one: Application, repository: str, image: podman.Image) -> str:
    own = [digest for digest in image.digests if digest.startswith(f"{repository}@")]
    if not own:
        raise HomelabError(
            f"Immich is left alone: the image that {one.of.service} runs came from no registry, so no pin would find it again. "
            f"Write a version at {one.path}:{one.line}, then run this again."
        )
    pulled = f"{repository}@{image.digest}"
    digest = (pulled if pulled in own else own[0]).partition("@")[2]
    said = [tag for tag in image.tags if tag.startswith(f"{repository}:")]
    said.append(f"{repository}:{image.labels.get(_LABEL, '')}")
    said += [f"{repository}:{word[len(_VARIABLE) :]}" for word in image.environment if word.startswith(_VARIABLE)]
    versions = [exact_tag(tag) for tag in said if exact_tag(tag)]
    return f"{repository}:{versions[0]}@{digest}" if versions else f"{repository}@{digest}"


def _changes(one: Application, image: str) -> list[Change]:
    title = _TITLES[one.name]
    changes = []
    if image != one.of.image:
        what = f"{title}: {one.of.image} becomes {image}"
        changes.append(Change("immich", one.path, one.line, what, "it runs that image now, and another one could come with any restart"))
    setting = auto_update.in_force(one.unit)
    if setting:
        found = setting.found
        what = f"{title}: {setting.key}={found.value} goes"
        why = "podman auto-update would put another image in the place of the pinned one"
        changes.append(Change("immich", found.source.path, found.assignment.line, what, why))
    return changes
