# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task is refused for, all of it before the first write: plain values in, sentences out."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence

from ...errors import HomelabError
from ...podman import Container
from ...systemd import State
from ..generator import Service, Yield
from .own_files import Record
from .request import Request
from .seen import Seen

_NOT_THERE_YET = re.compile(r"(was not found|does not exist)$")


def refuse(request: Request, seen: Seen, generated: str, extensions: Iterable[str], check: bool) -> list[str]:
    """Raise HomelabError for whatever forbids the task; in check mode, sentences on what could not be checked yet.

    ``generated`` is where systemd finds what the generator yields, ``extensions`` are those of units.
    """
    refuse_other_owners(request, seen.others)
    refuse_units_among_files(request, seen.directories)
    if seen.blind:
        return [f"Not checked: {seen.blind}"]
    refuse_foreign_units(request, seen, extensions)
    refuse_other_definitions(request, seen.directories, seen.planned.services, seen.states, generated)
    unchecked = [judge_yield(request, seen.planned, seen.now.complaints, check)]
    lacking = missing_secrets(seen.services, {*request.secrets, *seen.secrets})
    if lacking and not check:
        raise HomelabError(
            f"{'; '.join(lacking)}. Name it in secrets, or create it with podman secret create. Nothing was replaced."
        )
    return [note for note in (*unchecked, *(f"Not checked: {one} yet." for one in lacking)) if note]


def refuse_foreign_units(request: Request, seen: Seen, extensions: Iterable[str]) -> None:
    """The set's directory is wholly the set's; only drop-ins of others are welcome in it."""
    for name in seen.names:
        path = os.path.join(request.directory, name)
        is_unit = name.rpartition(".")[2] in extensions
        if is_unit and request.state != "absent" and path not in request.units and path not in seen.recorded.paths:
            raise HomelabError(
                f"{path} was not written by the set {request.name}, whose directory this is. Move it aside, then run the task again."
            )


def refuse_remade(remade: Iterable[Service], containers: Sequence[Container], volume_exists: Iterable[str]) -> None:
    """What Podman has made once it does not change: networks in use and volumes stay as they are."""
    volumes = set(volume_exists)
    for service in remade:
        users = sorted(
            {container.unit or container.name for container in containers if service.made in container.networks}
        )
        if service.kind == "network" and users:
            raise HomelabError(
                f"{service.unit} has changed, but the network {service.made} is in use by {', '.join(users)} and cannot be changed while it is."
                f" Stop them and remove it with: systemctl --user stop {' '.join([*users, service.name])} && podman network rm {service.made}"
                f" - then run the task again. Nothing was replaced."
            )
        if service.made in volumes:
            raise HomelabError(
                f"{service.unit} has changed, but the volume {service.made} exists, and Podman changes no volume that exists."
                " Take the change back, or give the new volume another VolumeName. Nothing was replaced."
            )


def refuse_other_owners(request: Request, records: Mapping[str, Record]) -> None:
    """One writer per file: a file that another set wrote is that set's."""
    for other, record in records.items():
        for path in sorted(record.paths.intersection(request.everything)):
            raise HomelabError(
                f"{path} belongs to the set {other}. Take it out of that set first, then run the task again."
            )


def refuse_units_among_files(request: Request, directories: Iterable[str]) -> None:
    """What Quadlet may read is checked as a unit before it is written, and followed by a reload: nothing else goes there."""
    # The account's own search directory may not be there yet.
    searched = {os.path.dirname(request.directory), *directories}
    for path in request.files:
        real = os.path.realpath(os.path.dirname(path))
        for directory in sorted(searched):
            if os.path.commonpath([directory, real]) == directory:
                raise HomelabError(
                    f"{path} of files would lie in {directory}, where Quadlet looks for units: "
                    "name units in units, and give other files a dest outside of it. Nothing was replaced."
                )


def refuse_other_definitions(
    request: Request,
    directories: Iterable[str],
    services: Iterable[Service],
    states: Mapping[str, State],
    generated: str,
) -> None:
    """A unit name counts once in the search path and a service once in systemd: neither is shadowed in silence."""
    for directory in directories:
        for path in request.units:
            other = os.path.join(directory, os.path.basename(path))
            if directory != request.directory and os.path.lexists(other):
                raise HomelabError(
                    f"{path} and {other} have the same unit name, and only one of them would count. Move {other} aside, then run the task again."
                )
    by_name: dict[str, Service] = {}
    for service in services:
        first = by_name.setdefault(service.name, service)
        if first.source != service.source and {first.source, service.source} & set(request.units):
            raise HomelabError(
                f"{first.source} and {service.source} both make {service.name}. Give one of them another ServiceName."
            )
        state = states.get(service.name)
        if state and state.load == "masked":
            raise HomelabError(
                f"{service.name} is masked. Unmask it with systemctl --user unmask {service.name}, then run the task again."
            )
        if state and state.fragment and not state.fragment.startswith(generated):
            raise HomelabError(
                f"{state.fragment} already defines {service.name}, which {service.source} would make. Move it aside, then run the task again."
            )


def judge_yield(request: Request, answer: Yield, before: Sequence[str], lenient: bool) -> str | None:
    """Refuse what the generator refuses, in its own words. ``before`` are its complaints about the units as they are.

    ``lenient`` is check mode, where a unit that an earlier task of the play will write is not there yet, and one that it
    will remove still is: then the sentence that says what could not be checked is returned.
    """
    made = {service.source for service in answer.services}
    missing = [path for path in request.units if path not in made]
    own = [
        line
        for line in answer.complaints
        if any(os.path.basename(path) in line or request.directory in line for path in missing)
    ]
    new = [line for line in answer.complaints if line not in before and line not in own]
    if not missing and not new:
        return None
    said = "; ".join(own or new or answer.complaints) or "it gave no reason"
    refused = own or new
    if lenient and refused and all(_NOT_THERE_YET.search(line) for line in refused):
        return f"Not checked, because earlier tasks of the play have not run yet: {said}."
    if missing:
        names = ", ".join(os.path.basename(path) for path in missing)
        raise HomelabError(
            f"Podman's Quadlet generator refuses {names} of the set {request.name}: {said}. Nothing was replaced."
        )
    raise HomelabError(
        f"With the set {request.name} as asked, Podman's Quadlet generator would refuse other units: {said}. Nothing was replaced."
    )


def missing_secrets(services: Iterable[Service], known: Iterable[str]) -> list[str]:
    """Sentences on secrets that units name and that are not there."""
    there = set(known)
    return [
        f"{service.unit} names the secret {name}, which does not exist"
        for service in services
        for name in service.secrets
        if name not in there
    ]
