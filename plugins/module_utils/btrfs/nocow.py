# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A path is NOCOW, or copy-on-write again, with all that is in it; or why not."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

from ..errors import HomelabError, reason
from . import kernel
from .conversion import Conversion, free_space, recover
from .leases import Leases, signal_held
from .looking import Found, at, looked_at
from .obstacles import OBSTACLES, NotDone, Wish
from .placing import Turned
from .result import described, finished
from .staging import opened
from .target import Creation, create, is_system_path, left_above, opened_tree
from .walk import Tree
from .writers import writers

_SHOWN = 3
_SPARE = 1.05


@dataclass
class Slice:
    """How much of a long conversion this call does. The first call of several refuses; those that go on leave out."""

    seconds: float | None = None
    goes_on: bool = False


# --- Refusing ---


def _listed(refused: NotDone, names: dict[str, str]) -> str:
    shown = [
        one["path"] + (f" (by {names[one['path']]})" if one["path"] in names else "") for one in refused.listed[:_SHOWN]
    ]
    more = refused.total - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _refusals(found: Found, wish: Wish) -> list[str]:
    """One sentence for each thing that stands in the way of the whole."""
    tree, looked = found.trees[0], found.survey
    sentences = []
    if "system_path" not in wish.accept and is_system_path(found.shown):
        sentences.append("it is a directory of the system's own: choose another path, or accept: [system_path]")
    if os.fstatvfs(tree.base).f_flag & os.ST_RDONLY:
        sentences.append("its file system is mounted read-only: mount it to be written to")
    elif kernel.subvolume(tree.base).read_only:
        sentences.append("it lies in a read-only subvolume: btrfs property set it to ro=false")
    if wish.nocow and found.mirrored and "mirrored" not in wish.accept:
        sentences.append(
            f"its data profile is {found.mirrored}, and without checksums Btrfs cannot tell which of two mirrors is right: "
            "keep it copy-on-write, or accept: [mirrored]"
        )
    by_path = {}
    if looked.writers:
        named = writers(looked.writers)
        by_path = {looked.writers[file]: name for file, name in named.items()}
    for kind, refused in looked.refused.items():
        why, remedy = OBSTACLES[kind]
        sentences.append(f"{why}: {_listed(refused, by_path)}; {remedy}")
    lacking = _lacking_space(found)
    if lacking:
        sentences.append(lacking)
    return sentences


def _lacking_space(found: Found) -> str:
    """Old data makes room for the next batch, unless a snapshot keeps it."""
    looked = found.survey
    needed = int((looked.copied if found.snapshots else looked.largest + looked.kept) * _SPARE)
    free = free_space(found.trees[0].base)
    if needed <= free:
        return ""
    kept = "snapshots keep the old data, so all of it is needed twice; " if found.snapshots else ""
    return f"there is too little space: {kept}{needed} bytes are needed and {free} are free; make room"


def _refuse(found: Found, wish: Wish) -> None:
    sentences = _refusals(found, wish)
    if not sentences:
        return
    not_done = found.refused
    if len(sentences) == 1:
        reasons = f": {sentences[0]}."
    else:
        numbered = (f"({number}) {sentence}" for number, sentence in enumerate(sentences, 1))
        reasons = f", for {len(sentences)} reasons: {'. '.join(numbered)}."
    raise HomelabError(
        f"Nothing was changed in {found.shown}{reasons}",
        not_done=not_done.listed,
        not_done_total=not_done.total,
    )


# --- Doing ---


def inform(path: str, subvolumes: bool, extents: bool) -> dict[str, Any]:
    """What of a path is NOCOW, and what would keep the rest from it."""
    wish = Wish(subvolumes=subvolumes)
    try:
        with signal_held(), opened_tree(path, wish.accept) as tree, looked_at(tree, wish, extents) as found:
            result = described(found, wish, Turned(), found.refused, 0)
            result["extents"] = found.survey.extents if extents else None
            result["snapshots"] = found.snapshots
            result["mirrored_profile"] = found.mirrored
            return result
    except OSError as exc:
        raise HomelabError(f"Cannot look at all of {path}: {reason(exc)}. Mend that, then run the task again.") from exc


def ensure(path: str, wish: Wish, creation: Creation, check_mode: bool, part: Slice) -> dict[str, Any]:
    """Make the path what is wished for, or say what would be made."""
    path = path.rstrip("/") or "/"
    if not os.path.isabs(path):
        raise HomelabError(f"The path {path} is not absolute. Write it from the root directory on.")
    if not os.path.lexists(path):
        return _created(path, wish, creation, check_mode)
    umask = os.umask(0)  # New files get exactly the mode that they are made with.
    try:
        with signal_held(), opened_tree(path, wish.accept) as tree:
            return _ensured(tree, wish, check_mode, part)
    except OSError as exc:
        raise HomelabError(f"The work in {path} stopped: {reason(exc)}. Mend that, then run the task again.") from exc
    finally:
        os.umask(umask)


def _ensured(tree: Tree, wish: Wish, check_mode: bool, part: Slice, recovered: bool = False) -> dict[str, Any]:
    events = NotDone()
    if not check_mode and not recovered:
        recovered = _recovered_above(tree, events)
    with looked_at(tree, wish) as found:
        left = found.survey.leftovers
        if check_mode or not left:
            return _judged(found, wish, check_mode, part, events, recovered)
        for outer, path in left:
            with opened(outer.base, path, os.O_DIRECTORY) as base:
                recover(base, outer.shown(path), events.add)
    # What was seen while a killed conversion was half-way is worth nothing.
    result = _ensured(tree, wish, check_mode, part, recovered=True)
    events.merge(NotDone(result["not_done"], result["not_done_total"]))
    return {**result, "not_done": events.listed, "not_done_total": events.total}


def _recovered_above(tree: Tree, events: NotDone) -> bool:
    above = left_above(tree)
    if above is None:
        return False
    try:
        recover(above.base, above.base_path, events.add)
    finally:
        os.close(above.base)
    return True


def _judged(
    found: Found, wish: Wish, check_mode: bool, part: Slice, events: NotDone, recovered: bool
) -> dict[str, Any]:
    looked = found.survey
    if part.goes_on:
        events.merge(found.refused)
    else:
        _refuse(found, wish)
    if check_mode:
        turned = Turned(looked.directories.converted, looked.files.converted, looked.bytes.converted)
        return finished(found, wish, turned, events, 0, bool(looked.leftovers))
    turned, started, ended = Turned(), time.monotonic(), True
    try:
        if looked.work:
            ended = _converted(found, wish, turned, events, part, started)
    except OSError as exc:
        raise HomelabError(
            f"The conversion of {found.trees[0].base_path} stopped: {reason(exc)}. Every file is whole, old or new. "
            "Mend that, then run the task again: it goes on with the rest.",
            **finished(found, wish, turned, events, time.monotonic() - started, recovered),
        ) from exc
    result = finished(found, wish, turned, events, time.monotonic() - started, recovered)
    if not ended:
        left = {
            "files": max(0, looked.files.converted - turned.files),
            "bytes": max(0, looked.bytes.converted - turned.bytes),
        }
        return {**result, "unfinished": left}
    if turned.failed:
        raise HomelabError(
            f"{turned.failed} file{'s' * (turned.failed > 1)} could not be copied and stayed as before; "
            f"the first is {turned.first_failure}. Mend that, then run the task again.",
            **result,
        )
    return result


def _converted(found: Found, wish: Wish, turned: Turned, events: NotDone, part: Slice, started: float) -> bool:
    until = None if part.seconds is None else started + part.seconds
    leases = Leases()
    with leases:
        return all(Conversion(tree, wish, leases, turned, events).run(until) for tree in found.trees)


# --- A directory that is not there yet ---


def _created(path: str, wish: Wish, creation: Creation, check_mode: bool) -> dict[str, Any]:
    parent = os.path.dirname(path)
    if check_mode and (not os.path.isdir(parent) or _may_be_unmounted(parent)):
        note = f"{parent} is not there yet, or nothing is mounted on it: what {path} will lie on could not be checked."
        return _announced(path, wish, [note])
    if not os.path.isdir(parent):
        raise HomelabError(
            f"Cannot make the directory {path}, because {parent} does not exist. Make that first, or correct path."
        )
    with opened_tree(parent, wish.accept) as above:
        found = at(Tree(above.base, above.base_path, os.path.basename(path)))
        _refuse(found, wish)
    notes = []
    try:
        creation.ids()
    except HomelabError as exc:
        if not check_mode:
            raise
        notes = [exc.message]
    creation.bits()
    if not check_mode:
        try:
            create(path, wish.nocow, creation)
        except OSError as exc:
            raise HomelabError(
                f"Cannot make the directory {path}: {reason(exc)}. Mend that, then run the task again."
            ) from exc
    return _announced(path, wish, notes, found)


def _may_be_unmounted(path: str) -> bool:
    """Whether it is an empty directory on another file system, as a mount point is before anything is mounted on it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as exc:
        raise HomelabError(f"Cannot open {path}: {reason(exc)}. Run the task as root, or as its owner.") from exc
    try:
        kernel.filesystem_id(descriptor)
        return False
    except OSError:
        return not os.listdir(descriptor)
    finally:
        os.close(descriptor)


def _announced(path: str, wish: Wish, notes: list[str], found: Found | None = None) -> dict[str, Any]:
    found = found or Found([Tree(-1, os.path.dirname(path), os.path.basename(path))])
    found.survey.directories.converted = 1
    result = finished(found, wish, Turned(directories=1), NotDone(), 0, False)
    result["unchecked"] = notes
    result["diff"]["before"] = ""
    return result
