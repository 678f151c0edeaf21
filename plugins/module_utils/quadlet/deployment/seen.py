# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything about the host that decides what a task has to do, looked at once. Podman and systemd are asked once each."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from typing import NamedTuple

from ... import podman, systemd
from ...account import Account
from ...files import Change
from ...podman import Container, Secret
from ...systemd import State
from .. import generator
from ..generator import Service, Yield
from ..rules import rules_of
from ..search_path import Tree, scan, user_bases
from . import own_files
from .own_files import OnDisk, Record, file_changes
from .request import Request


class Stamp(NamedTuple):
    """Something that a unit reads when it starts, and since when it is as it is."""

    what: str
    changed: float


class Seen(NamedTuple):
    """The host as it was found, and what the generator would make of the units as they are asked for."""

    recorded: Record
    others: dict[str, Record]
    names: list[str]  # in the set's directory
    found: dict[str, OnDisk]
    changes: list[Change]
    directories: list[str]  # that the generator searches
    now: Yield
    planned: Yield
    services: list[Service]  # of the set, as asked for
    loaded: dict[str, Service]
    states: dict[str, State]
    containers: list[Container]
    secrets: dict[str, Secret]
    stamps: dict[str, list[Stamp]]  # by unit
    at: float
    blind: str = ""  # why neither Podman nor systemd could be asked


def look_at_files(request: Request, home: str, blind: str) -> Seen:
    """The files alone, where Podman or the account's systemd is not there yet."""
    recorded = own_files.read_record(request.record, home)
    found = own_files.on_disk({*request.everything, *recorded.paths})
    return _nothing()._replace(
        recorded=recorded, found=found, changes=file_changes(request, recorded.paths, found), blind=blind
    )


def no_account(request: Request, blind: str) -> Seen:
    """A host that does not know the account yet, and so has nothing of it."""
    return _nothing()._replace(changes=file_changes(request, (), {}), blind=blind)


def _nothing() -> Seen:
    return Seen(own_files.NOTHING, {}, [], {}, [], [], Yield([], []), Yield([], []), [], {}, {}, [], {}, {}, 0.0)


def look(request: Request, account: Account, version: tuple[int, ...]) -> Seen:
    """Look at the host as the account; its own systemd has to be there. Writes in the account's runtime directory alone."""
    at = time.time()
    recorded = own_files.read_record(request.record, account.home)
    found = own_files.on_disk({*request.everything, *recorded.paths})
    changes = file_changes(request, recorded.paths, found)
    tree = scan(user_bases(account, rules_of(version)), rules_of(version))
    now = generator.ask()
    planned = _planned(request, account, tree, changes) or now
    services = [service for service in planned.services if service.source in request.units]
    loaded = {service.name: service for service in generator.loaded(account.runtime_dir)}
    in_set = [service.name for service in loaded.values() if os.path.dirname(service.source) == request.directory]
    return Seen(
        recorded=recorded,
        others=own_files.other_records(request, account.home),
        names=sorted(os.listdir(request.directory)) if os.path.isdir(request.directory) else [],
        found=found,
        changes=changes,
        directories=tree.directories,
        now=now,
        planned=planned,
        services=services,
        loaded=loaded,
        states=systemd.show(sorted({*(service.name for service in services), *in_set})),
        containers=podman.containers(),
        secrets=podman.secrets({*request.secrets, *(name for service in services for name in service.secrets)}),
        stamps=_stamps(request, tree, found, services),
        at=at,
    )


def _planned(request: Request, account: Account, tree: Tree, changes: Sequence[Change]) -> Yield | None:
    """The generator's answer to the units as asked for, where they differ from those that are there."""
    units = [change for change in changes if os.path.dirname(change.path) == request.directory]
    if not units:
        return None
    stage = f"{account.runtime_dir}/homelab-stage"
    shutil.rmtree(stage, ignore_errors=True)  # A killed run's.
    os.mkdir(stage, 0o700)
    try:
        wanted = {os.path.basename(path): unit.content for path, unit in request.units.items()}
        gone = [os.path.basename(change.path) for change in units if change.after is None]
        return generator.ask_staged(stage, tree.directories, request.directory, wanted, gone)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _stamps(
    request: Request, tree: Tree, found: dict[str, OnDisk], services: Sequence[Service]
) -> dict[str, list[Stamp]]:
    """By unit, the files that it reads at its start: its own, its drop-ins, and those that name it in restart."""
    stamps = {}
    for service in services:
        drop_ins, _broken = tree.drop_ins(service.unit)
        of_unit = [Stamp(os.path.basename(source.path), os.stat(source.path).st_mtime) for source in drop_ins]
        for path, file in found.items():
            wanted = request.files.get(path)
            if path == service.source or (wanted and service.unit in wanted.restart):
                of_unit.append(Stamp(os.path.basename(path), file.changed))
        stamps[service.unit] = of_unit
    return stamps
