# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Giving one key of a unit its values: read again as Podman's generator would read the result, or nothing is touched."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from .. import account
from ..errors import HomelabError
from . import editing, generator, unit_file_edits
from .conversion import Units
from .merged import Found, Unit
from .place import Place, on_this_host
from .secrecy import may_be_secret
from .unit_file import SPACE, parse

_HEADER = b"# Written by patriark.homelab.quadlet_key.\n\n"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")


class Wanted(NamedTuple):
    """One task. ``section`` None is the section that the unit's kind is named after."""

    unit: str
    section: str | None
    key: str
    values: Sequence[str]
    method: str


def ensure(
    unit: str,
    section: str | None,
    key: str,
    values: Sequence[str],
    state: str,
    user: str | None,
    scope: str | None,
    unit_dirs: Sequence[str],
    method: str,
    check_mode: bool,
) -> dict[str, Any]:
    """Make the key have the values, or say in check mode what would be done. Returns the task's result."""
    if state == "absent" and values:
        raise HomelabError(
            "state: absent takes the key out whatever its values are. Leave out values, or give those that shall stay with state: present."
        )
    wanted = Wanted(unit, section, key, values, method)
    _refuse_unwritable(wanted)
    if check_mode and user and os.geteuid() == 0 and not account.exists(user):
        return _unchecked(wanted, f"This host has no account {user} yet, so that nothing could be checked.")
    who = account.resolve(user, scope)
    return account.run_as(who, lambda: ensure_in(on_this_host(who, unit_dirs), wanted, check_mode))


def _refuse_unwritable(wanted: Wanted) -> None:
    if not _NAME.fullmatch(wanted.key) or not _NAME.fullmatch(wanted.section or "Container"):
        raise HomelabError(
            f"{wanted.key!r} in {wanted.section!r} cannot be a key and its section. Give their names alone, such as Volume and Container."
        )
    for value in wanted.values:
        if not value or value != value.strip(SPACE) or "\n" in value or value.endswith("\\"):
            raise HomelabError(
                f"A value of {wanted.key} cannot be written on one line as it is: it is empty, "
                "has a line end, begins or ends with a blank, or ends with a backslash."
            )


def ensure_in(place: Place, wanted: Wanted, check_mode: bool) -> dict[str, Any]:
    """The same as the account that is meant already."""
    units = place.read()
    if check_mode and not editing.is_there(wanted.unit, units):
        return _unchecked(
            wanted, f"There is no unit {wanted.unit} in the search path yet, so that nothing could be checked."
        )
    unit = units[editing.locate(wanted.unit, units)]
    section = wanted.section or unit.section
    found = unit.every(wanted.key, section)
    before = [one.value for one in found]
    plan = editing.Plan()
    if before != list(wanted.values):
        if wanted.method == "dropin":
            _plan_drop_in(unit, section, wanted, place, plan)
        else:
            _plan_edit(unit, section, wanted, found, plan)
    changes = plan.changes()
    if changes:
        _refuse_other_outcome(unit, section, wanted, units, place.read(editing.overlay(changes)))
    if not check_mode:
        editing.tidy([unit.path, *(change.path for change in changes)])
        editing.apply(changes)
    hidden = may_be_secret(wanted.key, [*before, *wanted.values])
    service = units.service(unit.name)
    return {
        "changed": bool(changes),
        "unit": unit.name,
        "unit_path": unit.path,
        "files": [change.path for change in changes],
        "before": None if hidden else before,
        "after": None if hidden else list(wanted.values),
        "service": service,
        "daemon_reload_needed": bool(changes) or _is_stale(service, unit, section, wanted, place),
        "notes": [],
        "diff": editing.shown(changes),
    }


def _plan_edit(unit: Unit, section: str, wanted: Wanted, found: Sequence[Found], plan: editing.Plan) -> None:
    """The fewest lines that make the list the wanted one."""
    before = [one.value for one in found]
    for word, first, last, start, end in difflib.SequenceMatcher(
        None, before, wanted.values, autojunk=False
    ).get_opcodes():
        old, new = found[first:last], wanted.values[start:end]
        if word == "equal":
            continue
        for one, value in zip(old, new):
            plan.set_value(one, value, keep_quotes=False)
        for one in old[len(new) :]:
            plan.remove(one)
        more = new[len(old) :]
        if more and last:
            plan.add(found[last - 1], more)
        elif more and found:
            plan.add(found[0], more, before=True)
        elif more:
            _plan_first(unit, section, wanted, plan)


def _plan_first(unit: Unit, section: str, wanted: Wanted, plan: editing.Plan) -> None:
    """The first values of a key: where an empty assignment clears it, after that; else in the unit's own file."""
    cleared = unit.assigned(wanted.key, section)
    if cleared:
        plan.add(cleared[-1], wanted.values)
    else:
        plan.add_to(unit.sources[0], section, wanted.key, wanted.values)


def _plan_drop_in(unit: Unit, section: str, wanted: Wanted, place: Place, plan: editing.Plan) -> None:
    drop_in = plan.drop_in(unit, f"90-{section}-{wanted.key}.conf", place.own_directory)
    if drop_in.data is not None and not drop_in.data.startswith(_HEADER):
        raise HomelabError(
            f"{drop_in.path} was not written by this module and is left as it is. Move it aside, then run the task again."
        )
    # The empty assignment clears what other files say before.
    plan.write(
        drop_in.path,
        unit_file_edits.with_added(_HEADER + f"[{section}]\n".encode(), section, wanted.key, ["", *wanted.values]),
    )


def _refuse_other_outcome(unit: Unit, section: str, wanted: Wanted, before: Units, after: Units) -> None:
    """The key has to have the values in what would be read next, and nothing else may change."""
    new = after[unit.name]
    found = new.every(wanted.key, section)
    if [one.value for one in found] != list(wanted.values):
        last = new.assigned(wanted.key, section)[-1].place if new.assigned(wanted.key, section) else unit.path
        raise HomelabError(
            f"{wanted.unit}: {wanted.key}= would have other values than the wanted ones, "
            f"because {last} has the last word. Change it there, then run the task again.",
            overridden_by=last,
        )
    if after.refusal(unit.name) and not before.refusal(unit.name):
        raise HomelabError(
            f"Quadlet would make no service of {wanted.unit} any more: {after.refusal(unit.name)}. Nothing was changed."
        )
    for name in before.tree.units:
        if name == unit.name:
            continue
        old_values, new_values = (
            [one.value for one in units[name].every(wanted.key, section)] for units in (before, after)
        )
        if old_values != new_values:
            raise HomelabError(
                f"{name} ({before[name].path}) shares what would be changed, and would change too. Use method: dropin."
            )
        if after.refusal(name) and not before.refusal(name):
            raise HomelabError(
                f"Quadlet would make no service of {name} any more: {after.refusal(name)}. Nothing was changed."
            )


def _is_stale(service: str, unit: Unit, section: str, wanted: Wanted, place: Place) -> bool:
    """Whether systemd has loaded other values than the files say."""
    loaded = place.loaded_text(service)
    if loaded is None:
        return place.generated is not None
    if section not in (unit.section, "Quadlet"):
        # To the sections of systemd the generator adds values of its own.
        return generator.makes_another(service, loaded, user=place.account is not None)
    values: list[str] = []
    for one in parse(loaded).assignments:
        if (one.section, one.key) == (f"X-{section}", wanted.key):
            values = [*values, one.value] if one.value else []
    return values != list(wanted.values)


def _unchecked(wanted: Wanted, note: str) -> dict[str, Any]:
    unknown = dict.fromkeys(("unit_path", "before", "service"))
    after = None if may_be_secret(wanted.key, wanted.values) else list(wanted.values)
    return {
        **unknown,
        "changed": False,
        "unit": os.path.basename(wanted.unit),
        "files": [],
        "after": after,
        "daemon_reload_needed": False,
        "notes": [note],
        "diff": [],
    }
