# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits of several unit files: computed whole before the first is written, then written together or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .. import files
from ..errors import HomelabError, reason
from ..files import Change
from .conversion import Units
from .merged import Found, Unit
from .search_path import RECORD, Source
from .secrecy import without_secrets
from .unit_file import BrokenUnit, UnitFile, parse
from .unit_file_edits import with_added, with_value, without


class _Addition(NamedTuple):
    """Assignments that are added beside the one at ``position``, or at the end of their section where that is None."""

    position: int | None
    before: bool
    section: str
    key: str
    values: Sequence[str]


class _Edit(NamedTuple):
    """What is planned for one file. Assignments are meant by their position among the file's assignments."""

    path: str
    unit: UnitFile
    values: dict[int, str]
    bare: set[int]  # those values whose quotes go as well
    gone: set[int]
    added: list[_Addition]


class DropIn(NamedTuple):
    """A drop-in of this collection: its path, and what it holds or is planned to hold, None where there is no such file."""

    path: str
    data: bytes | None


class Plan:
    """What shall be written. Nothing is, until ``apply``."""

    def __init__(self) -> None:
        self._edits: dict[str, _Edit] = {}
        self._drop_ins: dict[str, Change] = {}

    def set_value(self, found: Found, value: str, keep_quotes: bool = True) -> None:
        """Give an assignment another value."""
        edit, position = self._edit(found)
        edit.bare.update(() if keep_quotes else (position,))
        if edit.values.setdefault(position, value) != value:
            raise HomelabError(
                f"{found.place} is asked to be {edit.values[position]} and {value}: "
                "units that share this line cannot differ in it. Give them one value, or use method: dropin."
            )

    def remove(self, found: Found) -> None:
        """Take an assignment out, with its lines."""
        edit, position = self._edit(found)
        edit.gone.add(position)

    def add(self, found: Found, values: Sequence[str], before: bool = False) -> None:
        """Add assignments of the same key after an assignment, or before it."""
        edit, position = self._edit(found)
        edit.added.append(_Addition(position, before, found.assignment.section, found.assignment.key, values))

    def add_to(self, source: Source, section: str, key: str, values: Sequence[str]) -> None:
        """Add assignments at the end of a section."""
        self._edit_of(source).added.append(_Addition(None, False, section, key, values))

    def _edit(self, found: Found) -> tuple[_Edit, int]:
        edit = self._edit_of(found.source)
        return edit, edit.unit.assignments.index(found.assignment)

    def _edit_of(self, source: Source) -> _Edit:
        refuse_foreign(source.path)
        _refuse_set(os.path.realpath(source.path))
        return self._edits.setdefault(
            os.path.realpath(source.path), _Edit(source.path, source.unit, {}, set(), set(), [])
        )

    def drop_in(self, unit: Unit, name: str, fallback: str) -> DropIn:
        """The drop-in of that name beside a unit, or below ``fallback`` where the unit's directory is another account's."""
        directory = os.path.dirname(unit.path)
        if not is_own(directory):
            directory = fallback
        path = os.path.join(directory, f"{unit.name}.d", name)
        planned = self._drop_ins.get(path)
        data = planned.after if planned else files.read(path)
        try:
            parse(data or b"")
        except BrokenUnit as exc:
            raise HomelabError(f"Quadlet cannot read {path}: {exc}. Mend or move that file first.") from exc
        return DropIn(path, data)

    def write(self, path: str, data: bytes) -> None:
        """Give a drop-in, new or not, these contents."""
        existing = path
        while not os.path.lexists(existing):
            existing = os.path.dirname(existing)
        refuse_foreign(existing)
        before = self._drop_ins[path].before if path in self._drop_ins else files.read(path)
        self._drop_ins[path] = Change(path, before, data)

    def changes(self) -> list[Change]:
        """The files that become others, each with what it held when it was read."""
        edited = [Change(edit.path, edit.unit.data, _edited(edit)) for edit in self._edits.values()]
        return [change for change in [*edited, *self._drop_ins.values()] if change.before != change.after]


def _edited(edit: _Edit) -> bytes:
    unit, gone = edit.unit, edit.gone
    for position, value in edit.values.items():
        unit = parse(with_value(unit.data, unit.assignments[position], value, keep_quotes=position not in edit.bare))
    # From the end, so that the positions before an addition still hold.
    for added in sorted(edit.added, key=lambda one: -1 if one.position is None else one.position, reverse=True):
        beside = None if added.position is None else unit.assignments[added.position]
        before, after = (beside, None) if added.before else (None, beside)
        unit = parse(with_added(unit.data, added.section, added.key, added.values, after, before))
        if added.position is not None:
            first = added.position if added.before else added.position + 1
            gone = {position + len(added.values) if position >= first else position for position in gone}
    return without(unit.data, [unit.assignments[position] for position in sorted(gone)])


def overlay(changes: Iterable[Change]) -> dict[str, bytes]:
    """The changes as contents by resolved path, for reading the units as they would be."""
    return {os.path.realpath(change.path): change.after or b"" for change in changes}


def shown(changes: Iterable[Change]) -> list[dict[str, str]]:
    """The changes as diffs, without what may be a secret."""
    return [
        files.as_diff(change.path, without_secrets(change.before or b""), without_secrets(change.after or b""))
        for change in changes
    ]


def is_own(path: str) -> bool:
    """Whether what lies there, links followed, belongs to the account that this process runs as."""
    try:
        return os.stat(path).st_uid == os.geteuid()
    except OSError:
        return False


def refuse_foreign(path: str) -> None:
    """Only the account's own files are changed, so that nobody is led by a link into somebody else's."""
    if not is_own(path):
        raise HomelabError(
            f"{path} belongs to another account and is left as it is. Change it as its owner, or use method: dropin."
        )


def _refuse_set(path: str) -> None:
    """One writer per file: what quadlet_units wrote, it would write again."""
    directory, name = os.path.split(path)
    record = files.read(os.path.join(directory, RECORD)) or b""
    # The record holds paths below the home, which may have been moved since.
    if f'/{name}"'.encode() in record:
        raise HomelabError(
            f"{path} was written by quadlet_units as part of the set {os.path.basename(directory)}, which would write it again. "
            "Change it in that task, or use method: dropin."
        )


def apply(changes: Sequence[Change]) -> None:
    """Make all the changes, or none."""
    made: list[str] = []
    directories = sorted({os.path.dirname(os.path.realpath(change.path)) for change in changes})
    try:
        for directory in directories:
            made += files.make_directories(directory)
        with contextlib.ExitStack() as locks:
            for directory in directories:
                locks.enter_context(files.locked(directory))
            files.replace_all(changes)
    except (OSError, HomelabError) as exc:
        for directory in reversed(made):
            with contextlib.suppress(OSError):
                os.rmdir(directory)
        if isinstance(exc, OSError):
            raise HomelabError(
                f"Cannot write {exc.filename or 'the units'}: {reason(exc)}. Every file is as it was before."
            ) from exc
        raise


def tidy(paths: Iterable[str]) -> None:
    """Remove what a run that was killed has left beside these files, unless another run is at work."""
    # Most files are no links, and resolving each of a thousand takes longer than reading it.
    beside = {os.path.dirname(os.path.realpath(path) if os.path.islink(path) else path) for path in paths}
    files.tidy(beside)


def is_there(wanted: str, units: Units) -> bool:
    """Whether there is a unit of that name or path, loaded or not."""
    name = os.path.basename(wanted)
    return (
        name in units.tree.units
        or name in units.tree.dropped
        or any(os.path.basename(one.path) == name for one in units.tree.broken)
    )


def locate(wanted: str, units: Units) -> str:
    """The name of the unit that a user means by a name or an absolute path. Raises where Quadlet does not load it."""
    name = os.path.basename(wanted)
    if name in units.tree.dropped:
        raise HomelabError(
            f"Quadlet loads no unit of the directory of {wanted}, "
            f"because it cannot read {_breaking(units.tree.dropped[name].path, units)}. Mend or move that file first."
        )
    if name not in units:
        raise HomelabError(_missing(wanted, units))
    found = units.tree.units[name].path
    if os.path.isabs(wanted) and _place(found) != _place(wanted):
        raise HomelabError(
            f"{wanted} is not what Quadlet reads: {found} is the first of that name. Name that one, or give the directory in unit_dirs."
        )
    return name


def _place(path: str) -> str:
    """A path as the search path tells it: with its directory resolved, and its last part left alone."""
    return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))


def _breaking(path: str, units: Units) -> str:
    directory = os.path.dirname(path)
    return " and ".join(
        f"{one.path} ({one})" if one.line is None else f"{one.path} (line {one.line} {one.why})"
        for one in units.tree.broken
        if os.path.dirname(one.path) == directory
    )


def _missing(wanted: str, units: Units) -> str:
    name = os.path.basename(wanted)
    for one in units.tree.broken:
        if os.path.basename(one.path) == name:
            return f"Quadlet cannot read {one.path}: {one.why}. Mend or move that file first."
    base, at, _instance = name.partition("@")
    template = f"{base}@.{name.rpartition('.')[2]}"
    if at and template in units:
        return f"{wanted} has no file of its own, so that Quadlet makes nothing of it. Name {template}, which its instances are made of."
    return f"There is no unit {wanted} in the search path. Correct its name, or give its directory in unit_dirs."
