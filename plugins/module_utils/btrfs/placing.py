# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Letting the copies of a batch take the places of their files, each in one step that can be undone until the end.

An old file is removed only when the exchange is on disk and nobody has asked for the file in a way that breaks its
lease. Whoever has, finds it where it was.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Callable

from . import kernel
from .leases import Leases
from .obstacles import NotDone
from .staging import Entry, Resting, Staging, opened, remove, set_times
from .walk import Tree

MEANWHILE = ("something opened it for writing or changed it meanwhile", "run the task again when nothing does")


@dataclass
class Turned:
    """What a conversion has done so far."""

    directories: int = 0
    files: int = 0
    bytes: int = 0
    extents_before: int = 0
    extents_after: int = 0
    failed: int = 0  # files that an error of the system kept back
    first_failure: str = ""

    @property
    def anything(self) -> bool:
        """Whether anything was changed."""
        return bool(self.directories or self.files)


@dataclass
class Copied:
    """One file of the batch, both its inodes open."""

    entry: Entry
    source: int
    target: int
    status: os.stat_result
    extents: int
    swapped: bool = False

    def close(self, leases: Leases) -> None:
        """Close both, and so give up the lease."""
        os.close(self.target)
        leases.close(self.source)


@dataclass
class Batch:
    """Files that change places together."""

    copied: list[Copied] = field(default_factory=list)
    bytes: int = 0


def _identity(status: os.stat_result) -> tuple[int, ...]:
    """What stays the same while a file changes places and nobody else does anything to it."""
    return (
        status.st_mode,
        status.st_uid,
        status.st_gid,
        status.st_nlink,
        status.st_size,
        status.st_mtime_ns,
    )


def extents_of(descriptor: int, status: os.stat_result) -> int:
    """How many extents a file has; one of a single block is not asked."""
    return 1 if status.st_size <= status.st_blksize else kernel.extent_count(descriptor)


class Placing:
    """Places the batches of one tree."""

    def __init__(self, tree: Tree, staging: Staging, leases: Leases, turned: Turned, not_done: NotDone) -> None:
        self._tree = tree
        self._staging = staging
        self._leases = leases
        self._turned = turned
        self._not_done = not_done

    def stages(self, batch: Batch, sync: Callable[[], Future[None]]) -> Iterator[Future[None]]:
        """Let every copy take its file's place; to be asked for more only when what it yields has ended well."""
        directories = self._resting(batch)
        self._staging.write_journal([copied.entry for copied in batch.copied], directories)
        yield sync()
        self._exchange_all(batch, directories)
        yield sync()
        for copied in batch.copied:
            self._finish(copied, directories)
        self._staging.drop_journal()

    def _resting(self, batch: Batch) -> dict[str, Resting]:
        """How the directories of the batch look now."""
        found = {}
        for path in {os.path.dirname(place) for copied in batch.copied for place in copied.entry.places}:
            with contextlib.suppress(OSError), opened(self._tree.base, path, os.O_DIRECTORY) as descriptor:
                status = os.fstat(descriptor)
                held_flags = kernel.flags(descriptor) & kernel.HELD_FLAGS
                found[path] = Resting(status.st_ino, status.st_atime_ns, status.st_mtime_ns, held_flags)
        return found

    def _exchange_all(self, batch: Batch, directories: dict[str, Resting]) -> None:
        with contextlib.ExitStack() as stack:
            entered: tuple[str, int] | None = None
            for copied in batch.copied:
                if len(copied.entry.places) > 1:
                    self._exchange_group(copied, directories)
                    continue
                path, name = os.path.split(copied.entry.places[0])
                if entered is None or entered[0] != path:
                    stack.close()
                    entered = (path, self._enter(path, directories, stack))
                if entered[1] >= 0:
                    self._exchange(copied, [(copied.entry.staged, entered[1], name)])

    def _enter(self, path: str, directories: dict[str, Resting], stack: contextlib.ExitStack) -> int:
        """Open a directory so that names can be exchanged in it, and have it left as it was; -1 where it is not there."""
        try:
            descriptor = stack.enter_context(opened(self._tree.base, path, os.O_DIRECTORY))
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return -1
        status = os.fstat(descriptor)
        resting = directories.get(path)
        if resting is not None and resting.held_flags and resting.inode == status.st_ino:
            flags = kernel.flags(descriptor)
            kernel.set_flags(descriptor, flags & ~kernel.HELD_FLAGS)
            stack.callback(kernel.set_flags, descriptor, flags)
        stack.callback(set_times, descriptor, status.st_atime_ns, status.st_mtime_ns)
        return descriptor

    def _exchange_group(self, copied: Copied, directories: dict[str, Resting]) -> None:
        staging = self._staging.descriptor
        with contextlib.ExitStack() as stack:
            names = []
            entered: dict[str, int] = {}
            for staged, place in zip(copied.entry.staged_names(), copied.entry.places):
                path, name = os.path.split(place)
                if path not in entered:
                    entered[path] = self._enter(path, directories, stack)
                directory = entered[path]
                os.link(copied.entry.staged, staged, src_dir_fd=staging, dst_dir_fd=staging)
                names.append((staged, directory, name))
            self._exchange(copied, [place for place in names if place[1] >= 0])
            # Each name in the staging directory is now either an old one or a copy that found no place.
            remove(staging, copied.entry.staged)

    def _exchange(self, copied: Copied, names: list[tuple[str, int, str]]) -> None:
        """Exchange the names of one file, all of them or none, while its lease is whole and it is what was copied."""
        entry = copied.entry
        done: list[tuple[str, int, str]] = []
        with self._leases.lock:
            now = os.fstat(copied.source).st_ctime_ns
            if now != copied.status.st_ctime_ns or not kernel.has_lease(copied.source):
                return
            if entry.held_flags:
                kernel.set_flags(copied.source, kernel.flags(copied.source) & ~kernel.HELD_FLAGS)
            for place in names:
                with contextlib.suppress(FileNotFoundError):
                    if self._staging.take_place(*place, entry.old, entry.new):
                        done.append(place)
            # A name that is missing may have become another one, and must not be parted from the rest.
            copied.swapped = len(done) == len(entry.places) and self._unchanged(copied)
            if not copied.swapped:
                for place in done:
                    self._staging.give_back(*place, entry.new)
            if entry.held_flags:
                held = copied.target if copied.swapped else copied.source
                kernel.set_flags(held, kernel.flags(held) | entry.held_flags)

    def _unchanged(self, copied: Copied) -> bool:
        return kernel.has_lease(copied.source) and _identity(os.fstat(copied.source)) == _identity(copied.status)

    def _finish(self, copied: Copied, directories: dict[str, Resting]) -> None:
        """Remove the old file, or where somebody has asked for it after all, bring it back."""
        entry = copied.entry
        if copied.swapped and kernel.has_lease(copied.source):
            self._turned.files += len(entry.places)
            self._turned.bytes += entry.size * len(entry.places)
            self._turned.extents_before += copied.extents
            self._turned.extents_after += extents_of(copied.target, copied.status)
            for name in entry.staged_names():
                remove(self._staging.descriptor, name)
            copied.close(self._leases)
            return
        copied.close(self._leases)
        with contextlib.ExitStack() as stack:
            for path in {os.path.dirname(place) for place in entry.places}:
                self._enter(path, directories, stack)
            self._staging.settle_entry(entry)
        # One that was removed meanwhile is nobody's loss.
        if self._staging.has_place(entry, entry.old):
            self._not_done.add(self._tree.shown(entry.places[0]), *MEANWHILE)
