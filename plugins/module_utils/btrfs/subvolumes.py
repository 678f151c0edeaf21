# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Subvolumes of a pool, the marker in each and the directories below, made as described and never taken away."""

from __future__ import annotations

import contextlib
import errno
import grp
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .. import account, files, subordinate_ids
from ..errors import HomelabError, reason
from . import kernel
from .pool import Found, Pool, open_pool, write_marker


@dataclass(frozen=True)
class Owner:
    """To whom a directory shall belong, as a person reads it and as numbers, which are None while they are not known."""

    name: str
    group: str
    uid: int | None
    gid: int | None


@dataclass(frozen=True)
class Wanted:
    """One directory as it shall be. ``parts`` are the names from the pool down."""

    parts: tuple[str, ...]
    owner: Owner
    mode: int
    subvolume: bool = False
    marker: str | None = None
    nocow: bool = False


@dataclass(frozen=True)
class Difference:
    """One thing that has to change: which, and how a person reads it before and after."""

    what: str  # made, nocow, owner, mode, marker
    before: str
    after: str


# --- What is wanted: options become plain values ---


def _names(path: str, shown: str) -> tuple[str, ...]:
    names = tuple(path.split("/"))
    if any(name in ("", ".", "..") for name in names):
        raise HomelabError(f"The path {shown} cannot be used: write it without empty, . and .. parts.")
    return names


def _below(pool: str, path: str) -> tuple[str, ...]:
    if not path.startswith(pool + "/"):
        raise HomelabError(f"The path {path} does not lie below the pool {pool}: correct the path, or pool.")
    return _names(path[len(pool) + 1 :], path)


def _octal(mode: str, shown: str) -> int:
    try:
        value = int(mode, 8)
    except ValueError:
        value = -1
    if not 0 <= value <= 0o7777:
        raise HomelabError(f"The mode {mode} of {shown} is not an octal number such as '0750'. Write it in quotes.")
    return value


class Ids:
    """Names of accounts and groups as numbers. In check mode what is not there yet has none, and is noted."""

    def __init__(self, check_mode: bool) -> None:
        self._check_mode = check_mode
        self.notes: list[str] = []

    def missing(self, error: HomelabError, note: str) -> None:
        if not self._check_mode:
            raise error
        if note not in self.notes:
            self.notes.append(note)

    def of(self, name: str) -> account.Account | None:
        try:
            return account.lookup(name)
        except HomelabError as exc:
            self.missing(
                exc, f"The account {name} does not exist yet: the owners of its directories could not be checked."
            )
            return None

    def of_group(self, name: str) -> int | None:
        try:
            return grp.getgrnam(name).gr_gid
        except KeyError:
            error = HomelabError(
                f"Cannot give a directory to the group {name}: this host has no such group. Create it, or correct group."
            )
            self.missing(error, f"The group {name} does not exist yet: what shall belong to it could not be checked.")
            return None

    def in_container(self, inside: int, owner: account.Account, shown: str) -> tuple[int | None, int | None]:
        """The host's user and group id of what the owner's rootless containers call ``inside``."""
        found = []
        for path, own in (("/etc/subuid", owner.uid), ("/etc/subgid", owner.gid)):
            text = (files.read(path) or b"").decode("utf-8", "replace")
            mapped = subordinate_ids.ranges(text, owner.name, owner.uid)
            found.append(subordinate_ids.outside(inside, own, mapped))
            if found[-1] is None:
                error = HomelabError(
                    f"Cannot give {shown} to the id {inside} of {owner.name}'s containers: {path} hands out too few ids to {owner.name}. "
                    "Add a range of 65536 there (the role host does)."
                )
                self.missing(
                    error,
                    f"{path} hands out too few ids to {owner.name} as yet: the owner of {shown} could not be checked.",
                )
        return found[0], found[1]


def _owner(name: str, group: str | None, inside: int | None, shown: str, ids: Ids) -> Owner:
    entry = ids.of(name)
    if inside is not None and inside < 0:
        raise HomelabError(
            f"The container_uid {inside} of {shown} is below 0. Give the number of the account in the container."
        )
    if inside is not None:
        label = f"{name}'s container id {inside}"
        uid, gid = ids.in_container(inside, entry, shown) if entry else (None, None)
        return Owner(label, label, uid, gid)
    uid, gid = (entry.uid, entry.gid) if entry else (None, None)
    return Owner(name, group or name, uid, ids.of_group(group) if group else gid)


def _marker(service: str | None) -> str | None:
    if service and "/" in service:
        raise HomelabError(f"The marker {service} is not the plain name of a service: correct marker.")
    return f".homelab-{service}" if service else None


def describe(pool: str, subvolumes: Sequence[Mapping[str, Any]], ids: Ids) -> list[Wanted]:
    """Every directory that is described, parents before what is in them."""
    wanted = []
    for subvolume in subvolumes:
        path, name, group = subvolume["path"], subvolume["owner"], subvolume.get("group")
        parts = _below(pool, path)
        owner = _owner(name, group, None, path, ids)
        wanted.append(
            Wanted(
                parts, owner, _octal(subvolume["mode"], path), subvolume=True, marker=_marker(subvolume.get("marker"))
            )
        )
        for directory in subvolume.get("directories") or []:
            shown = f"{path}/{directory['path']}"
            owner = _owner(
                directory.get("owner") or name,
                directory.get("group") or group,
                directory.get("container_uid"),
                shown,
                ids,
            )
            inner = parts + _names(directory["path"], shown)
            wanted.append(Wanted(inner, owner, _octal(directory["mode"], shown), nocow=bool(directory.get("nocow"))))
    return wanted


# --- What differs: pure ---


def _refuse_foreign(wanted: Wanted, found: Found, path: str) -> None:
    """Refuse what holds, or may hold, something that this collection did not put there."""
    if not found.in_pool:
        raise HomelabError(
            f"{path} lies on another file system than the pool: something is mounted there. Unmount it, or choose another path."
        )
    if wanted.subvolume and not found.subvolume:
        remedy = (
            f"mv {path} {path}.old, run the task again, then cp -a --reflink=always {path}.old/. {path}/"
            if found.occupied
            else f"rmdir {path}"
        )
        raise HomelabError(
            f"{path} is a plain directory and not a subvolume, and is left as it is. With its services stopped: {remedy}."
        )
    if wanted.marker and found.occupied and not found.marked:
        raise HomelabError(
            f"The subvolume {path} holds data but no {wanted.marker}, so this collection did not make it, and it is left as it is. "
            f"Choose another path, or, if these are the right data, adopt them: touch {path}/{wanted.marker}."
        )
    if wanted.nocow and found.occupied and not found.nocow:
        raise HomelabError(
            f"{path} holds files that are copied on write, and the flag NOCOW would not change them. "
            "Leave nocow out, or convert the directory with the module patriark.homelab.btrfs_nocow."
        )


def differences(wanted: Wanted, found: Found | None, path: str) -> list[Difference]:
    """What has to change so that the directory is as wanted, in the order in which it is done."""
    owner, mode = f"{wanted.owner.name}:{wanted.owner.group}", f"{wanted.mode:04o}"
    if found is None:
        kind = "subvolume" if wanted.subvolume else "directory"
        text = [kind, f"owner {owner}", f"mode {mode}"]
        text += ["NOCOW"] if wanted.nocow else []
        text += [f"marker {wanted.marker}"] if wanted.marker else []
        return [Difference("made", "", ", ".join(text))]
    _refuse_foreign(wanted, found, path)
    changes = []
    if wanted.nocow and not found.nocow:
        changes.append(Difference("nocow", "copy on write", "NOCOW"))
    if wanted.owner.uid not in (None, found.uid) or wanted.owner.gid not in (None, found.gid):
        changes.append(Difference("owner", f"owner {found.uid}:{found.gid}", f"owner {owner}"))
    if wanted.mode != found.mode:
        changes.append(Difference("mode", f"mode {found.mode:04o}", f"mode {mode}"))
    if wanted.marker and not found.marked:
        changes.append(Difference("marker", "no marker", f"marker {wanted.marker}"))
    return changes


# --- The host ---

Plan = list[tuple[Wanted, list[Difference]]]


def _change(descriptor: int, wanted: Wanted, what: str) -> None:
    uid = -1 if wanted.owner.uid is None else wanted.owner.uid
    gid = -1 if wanted.owner.gid is None else wanted.owner.gid
    if what == "nocow":
        kernel.set_flags(descriptor, kernel.flags(descriptor) | kernel.NOCOW_FLAG)
    elif what == "owner":
        os.fchown(descriptor, uid, gid)
    elif what == "mode":
        os.fchmod(descriptor, wanted.mode)
    elif wanted.marker:
        write_marker(descriptor, wanted.marker, uid, gid)


def _make(pool: Pool, wanted: Wanted) -> None:
    with pool.directory(wanted.parts[:-1]) as parent:
        if parent is None:
            raise HomelabError(
                f"{pool.shown(wanted.parts)} was taken away by somebody else while this task ran. Run the task again."
            )
        if wanted.subvolume:
            kernel.create_subvolume(parent, wanted.parts[-1])
        else:
            os.mkdir(wanted.parts[-1], 0o700, dir_fd=parent)


_REMEDIES = {
    errno.EPERM: "Run the task as root.",
    errno.EACCES: "Run the task as root.",
    errno.EROFS: "The pool or the subvolume is read-only: look into the kernel's log, then mount it writable.",
    errno.EINVAL: "A directory that is set to be compressed cannot be NOCOW: chattr -c -m it first.",
}


@contextlib.contextmanager
def _explained(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        remedy = _REMEDIES.get(exc.errno or 0, "Mend it, then run the task again: it goes on from what it finds.")
        raise HomelabError(f"Cannot make {path} as described: {reason(exc)}. {remedy}") from exc


def _make_true(pool: Pool, wanted: Wanted) -> None:
    """Make one directory what it shall be; what a kill left half done is what the next look finds different."""
    path = pool.shown(wanted.parts)
    with _explained(path):
        with pool.directory(wanted.parts) as descriptor:
            if descriptor is None:
                _make(pool, wanted)
        with pool.directory(wanted.parts) as descriptor:
            if descriptor is None:
                raise HomelabError(f"{path} was taken away by somebody else while this task ran. Run the task again.")
            for difference in differences(wanted, pool.found(descriptor, wanted.marker), path):
                _change(descriptor, wanted, difference.what)


def _look(pool: Pool, wanted: Wanted) -> Found | None:
    with _explained(pool.shown(wanted.parts)), pool.directory(wanted.parts) as descriptor:
        return None if descriptor is None else pool.found(descriptor, wanted.marker)


def _lacks_parent(pool: Pool, wanted: Wanted) -> bool:
    with pool.directory(wanted.parts[:-1]) as parent:
        return parent is None


def _refuse_without_root(pool: Pool, wanted: Wanted, changes: Sequence[Difference]) -> None:
    """Refuse now what the kernel would refuse in the middle of the work."""
    me = os.geteuid()
    if me == 0 or not changes:
        return
    path, kinds = pool.shown(wanted.parts), {change.what for change in changes}
    if kinds & {"made", "owner"} and wanted.owner.uid not in (None, me):
        raise HomelabError(f"Only root can give {path} to {wanted.owner.name}. Run the task as root.")
    with pool.directory(wanted.parts[:-1]) as parent:
        if "made" in kinds and parent is not None and not os.access(".", os.W_OK, dir_fd=parent):
            raise HomelabError(
                f"{path} cannot be made, because this account may not write into {pool.shown(wanted.parts[:-1])}. Run the task as root."
            )


def _plan(pool: Pool, wanted: Sequence[Wanted], ids: Ids) -> Plan:
    """Everything that has to change. All refusals come from here, before the first write."""
    plan: Plan = []
    coming = set()
    for one in wanted:
        found = _look(pool, one)
        if found is None:
            if one.parts[:-1] not in coming and _lacks_parent(pool, one):
                sentence = (
                    f"{pool.shown(one.parts)} cannot be made, because {pool.shown(one.parts[:-1])} does not exist"
                )
                ids.missing(
                    HomelabError(f"{sentence}. Make it, or describe it before what is in it."), f"{sentence} yet."
                )
            coming.add(one.parts)
        changes = differences(one, found, pool.shown(one.parts))
        _refuse_without_root(pool, one, changes)
        if changes:
            plan.append((one, changes))
    return plan


def _plan_for_nothing(pool: str, wanted: Sequence[Wanted], ids: Ids) -> Plan:
    """The plan of check mode for a pool that is not mounted yet."""
    ids.notes.append(
        f"The pool is not mounted at {pool} yet: what it holds could not be checked, and is expected to be nothing."
    )
    return [(one, differences(one, None, "")) for one in wanted]


def ensure(pool: str, subvolumes: Sequence[Mapping[str, Any]], check_mode: bool) -> dict[str, Any]:
    """Make the subvolumes of the pool what is described, or say what would be made."""
    pool = pool.rstrip("/") or "/"
    ids = Ids(check_mode)
    wanted = describe(pool, subvolumes, ids)
    with open_pool(pool, check_mode) as opened:
        plan = _plan(opened, wanted, ids) if opened else _plan_for_nothing(pool, wanted, ids)
        if opened and not check_mode:
            for one, _changes in plan:
                _make_true(opened, one)
    lines = [("/".join([pool, *one.parts]), change) for one, changes in plan for change in changes]
    return {
        "changed": bool(lines),
        "changes": [
            {"path": path, "what": change.what, "before": change.before, "after": change.after}
            for path, change in lines
        ],
        "unchecked": ids.notes,
        "diff": {
            "before_header": pool,
            "after_header": pool,
            "before": "".join(f"{path}: {change.before}\n" for path, change in lines if change.before),
            "after": "".join(f"{path}: {change.after}\n" for path, change in lines),
        },
    }
