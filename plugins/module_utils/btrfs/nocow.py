# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A path is NOCOW, or copy-on-write again, with all that is in it; or why not, and what it costs."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..errors import HomelabError, reason
from . import kernel
from .conversion import Conversion, Turned, free_space, recover
from .leases import Leases, signal_held
from .staging import opened
from .survey import OBSTACLES, Count, NotDone, Survey, Tree, Wish, join, survey
from .target import Creation, create, is_system_path, left_above, opened_tree
from .writers import writers

_SHOWN = 3
_SPARE = 1.05


@dataclass
class Slice:
    """How much of a long conversion this call does. The first call of several refuses; those that go on leave out."""

    seconds: float | None = None
    goes_on: bool = False


@dataclass
class _Found:
    """One look at everything that is asked for: a tree for each subvolume, and what is in them."""

    trees: list[Tree]
    survey: Survey = field(default_factory=Survey)
    snapshots: int | None = None  # None where only root could tell
    mirrored: str = ""

    @property
    def shown(self) -> str:
        """The path that was asked for."""
        tree = self.trees[0]
        return tree.shown(join(tree.top, tree.only) if tree.only else tree.top)


# --- Looking ---


@contextlib.contextmanager
def _looked_at(tree: Tree, wish: Wish, count_extents: bool = False) -> Iterator[_Found]:
    found = _Found([tree])
    found.snapshots = _snapshots(tree)
    found.mirrored = kernel.mirrored_profile(tree.base)
    with contextlib.ExitStack() as stack:
        survey(tree, wish, found.survey, count_extents)
        # It grows while the subvolumes in subvolumes are looked at.
        for path in found.survey.subvolumes:
            inner = _subvolume(stack, path, found, wish)
            if inner is not None:
                found.trees.append(inner)
                if found.snapshots is not None:
                    found.snapshots += _snapshots(inner) or 0
                survey(inner, wish, found.survey, count_extents)
        yield found


def _subvolume(stack: contextlib.ExitStack, path: str, found: _Found, wish: Wish) -> Tree | None:
    """The tree of a nested subvolume, or None, and a note why not, where it is left out."""
    not_done = found.survey.not_done
    if not wish.subvolumes:
        not_done.obstacle(path, "subvolume")
        return None
    outer = next(tree for tree in reversed(found.trees) if path.startswith(tree.base_path.rstrip("/") + "/"))
    try:
        inner = outer.below(path)
    except OSError as exc:
        not_done.add(path, f"it cannot be opened: {reason(exc)}", "mend it and run the task again")
        return None
    stack.callback(os.close, inner.base)
    if kernel.subvolume(inner.base).read_only:
        not_done.obstacle(path, "read_only_subvolume")
        return None
    return inner


def _snapshots(tree: Tree) -> int | None:
    try:
        return kernel.snapshots_of(tree.base, kernel.subvolume(tree.base).uuid)
    except PermissionError:
        return None


# --- Refusing ---


def _listed(refused: NotDone, names: dict[str, str]) -> str:
    shown = [
        one["path"] + (f" (by {names[one['path']]})" if one["path"] in names else "") for one in refused.listed[:_SHOWN]
    ]
    more = refused.total - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _refusals(found: _Found, wish: Wish) -> list[str]:
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


def _lacking_space(found: _Found) -> str:
    """Old data makes room for the next batch, unless a snapshot keeps it."""
    looked = found.survey
    needed = int((looked.copied if found.snapshots else looked.largest) * _SPARE)
    free = free_space(found.trees[0].base)
    if needed <= free:
        return ""
    kept = "snapshots keep the old data, so all of it is needed twice; " if found.snapshots else ""
    return f"there is too little space: {kept}{needed} bytes are needed and {free} are free; make room"


def _refused(found: _Found) -> NotDone:
    everything = NotDone()
    for refused in found.survey.refused.values():
        everything.merge(refused)
    return everything


def _refuse(found: _Found, wish: Wish) -> None:
    sentences = _refusals(found, wish)
    if not sentences:
        return
    not_done = _refused(found)
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


# --- Saying ---


def _costs(found: _Found, wish: Wish) -> list[str]:
    """What a user gives up, and what takes the benefit away again."""
    if not wish.nocow:
        return [
            "What was written without checksums was copied as it is: an error in it that was there before stays unnoticed."
        ]
    mirrored = (
        f"The data profile is {found.mirrored}: of two mirrors that differ Btrfs returns either, and scrub repairs nothing."
        if found.mirrored
        else "Data profile without mirrors: nothing is lost in self-healing."
    )
    if found.snapshots is None:
        snapshots = "Snapshots: unknown, because only root can list them."
    elif found.snapshots:
        snapshots = (
            f"Snapshots: {found.snapshots} of this subvolume keep the old copy-on-write data, and so its space, until they are deleted; "
            "after each new one every block is copied once more when it is written."
        )
    else:
        snapshots = "Snapshots: none now; after each new one every block is copied once more when it is written."
    return [
        "Data has no checksums: Btrfs no longer notices when the device returns something else than was written.",
        "Data is not compressed, whatever the mount options say.",
        mirrored,
        snapshots,
        "A write that a power cut interrupts can leave half a block: the application has to have a journal of its own.",
        "btrfs send and receive, rsync and copies elsewhere do not carry NOCOW along.",
    ]


def _warnings(found: _Found, wish: Wish) -> list[str]:
    if not wish.nocow or not found.snapshots or not found.survey.files.converted:
        return []
    how_many = "1 snapshot" if found.snapshots == 1 else f"{found.snapshots} snapshots"
    return [f"The old data of {found.shown} takes up space until {how_many} of its subvolume are deleted."]


def _count(looked: Count, turned: int, wish: Wish) -> dict[str, int]:
    """What the look found, with what was really turned in place of what could be."""
    left = looked.converted - turned
    return {
        "nocow": looked.nocow + (0 if wish.nocow else left),
        "converted": turned,
        "cow": looked.cow + (left if wish.nocow else 0),
    }


def _result(found: _Found, wish: Wish, turned: Turned, not_done: NotDone, seconds: float) -> dict[str, Any]:
    looked = found.survey
    everything = NotDone()
    everything.merge(looked.not_done)
    everything.merge(not_done)
    return {
        "directories": _count(looked.directories, turned.directories, wish),
        "files": _count(looked.files, turned.files, wish),
        "bytes": _count(looked.bytes, turned.bytes, wish),
        "not_done": everything.listed,
        "not_done_total": everything.total,
        "extents_before": turned.extents_before,
        "extents_after": turned.extents_after,
        "seconds": round(seconds, 3),
        "bytes_per_second": int(turned.bytes / seconds) if seconds > 0 else 0,
        "costs": _costs(found, wish),
    }


# --- Doing ---


def inform(path: str, subvolumes: bool, extents: bool) -> dict[str, Any]:
    """What of a path is NOCOW, and what would keep the rest from it."""
    wish = Wish(subvolumes=subvolumes)
    try:
        with signal_held(), opened_tree(path, wish.accept) as tree, _looked_at(tree, wish, extents) as found:
            result = _result(found, wish, Turned(), _refused(found), 0)
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
    with _looked_at(tree, wish) as found:
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
    found: _Found, wish: Wish, check_mode: bool, part: Slice, events: NotDone, recovered: bool
) -> dict[str, Any]:
    looked = found.survey
    if part.goes_on:
        events.merge(_refused(found))
    else:
        _refuse(found, wish)
    if check_mode:
        turned = Turned(looked.directories.converted, looked.files.converted, looked.bytes.converted)
        return _finished(found, wish, turned, events, 0, bool(looked.leftovers))
    turned, started, ended = Turned(), time.monotonic(), True
    try:
        if looked.work:
            ended = _converted(found, wish, turned, events, part, started)
    except OSError as exc:
        raise HomelabError(
            f"The conversion of {found.trees[0].base_path} stopped: {reason(exc)}. Every file is whole, old or new. "
            "Mend that, then run the task again: it goes on with the rest.",
            **_finished(found, wish, turned, events, time.monotonic() - started, recovered),
        ) from exc
    result = _finished(found, wish, turned, events, time.monotonic() - started, recovered)
    if not ended:
        left = {"files": looked.files.converted - turned.files, "bytes": looked.bytes.converted - turned.bytes}
        return {**result, "unfinished": left}
    if turned.failed:
        raise HomelabError(
            f"{turned.failed} file{'s' * (turned.failed > 1)} could not be copied and stayed as before; "
            f"the first is {turned.first_failure}. Mend that, then run the task again.",
            **result,
        )
    return result


def _converted(found: _Found, wish: Wish, turned: Turned, events: NotDone, part: Slice, started: float) -> bool:
    until = None if part.seconds is None else started + part.seconds
    leases = Leases()
    with leases:
        return all(Conversion(tree, wish, leases, turned, events).run(until) for tree in found.trees)


def _finished(
    found: _Found, wish: Wish, turned: Turned, events: NotDone, seconds: float, recovered: bool
) -> dict[str, Any]:
    result = _result(found, wish, turned, events, seconds)
    result["changed"] = turned.anything or recovered
    result["warnings"] = _warnings(found, wish)
    result["unchecked"] = []
    result["diff"] = _difference(found, wish, result)
    return result


def _difference(found: _Found, wish: Wish, result: dict[str, Any]) -> dict[str, str]:
    """The counts before and after, as lines."""
    before, after = [], []
    for kind in ("directories", "files", "bytes"):
        count = result[kind]
        nocow, cow = count["nocow"], count["cow"]
        turned = count["converted"]
        was = (nocow, cow + turned) if wish.nocow else (nocow + turned, cow)
        now = (nocow + turned, cow) if wish.nocow else (nocow, cow + turned)
        before.append(f"{kind}: {was[0]} NOCOW, {was[1]} copy-on-write\n")
        after.append(f"{kind}: {now[0]} NOCOW, {now[1]} copy-on-write\n")
    return {
        "before_header": found.shown,
        "after_header": found.shown,
        "before": "".join(before),
        "after": "".join(after),
    }


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
        found = _Found([Tree(above.base, above.base_path, os.path.basename(path))])
        found.mirrored = kernel.mirrored_profile(above.base)
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
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        kernel.filesystem_id(descriptor)
        return False
    except OSError:
        return not os.listdir(descriptor)
    finally:
        os.close(descriptor)


def _announced(path: str, wish: Wish, notes: list[str], found: _Found | None = None) -> dict[str, Any]:
    found = found or _Found([Tree(-1, os.path.dirname(path), os.path.basename(path))])
    found.survey.directories.converted = 1
    result = _finished(found, wish, Turned(directories=1), NotDone(), 0, False)
    result["unchecked"] = notes
    result["diff"]["before"] = ""
    return result
