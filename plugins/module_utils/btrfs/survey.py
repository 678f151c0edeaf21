# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a tree is NOCOW, what is not, and what stands in the way of changing that."""

from __future__ import annotations

import contextlib
import functools
import os
import stat
from collections import Counter
from dataclasses import dataclass, field
from typing import Callable

from . import kernel
from .helpers import helper, how_many
from .obstacles import LISTED, REFUSALS, NotDone, Wish, not_ours, obstacle
from .walk import LOOK, STAGING, Count, Directory, Tree, Walk, join, open_below

# From so many files on it pays to start processes that share the rest.
_LARGE = 10_000


@dataclass
class Survey:
    """What was found, in numbers and in words. ``converted`` of the counts is what the run would convert."""

    directories: Count = field(default_factory=Count)
    files: Count = field(default_factory=Count)
    bytes: Count = field(default_factory=Count)
    not_done: NotDone = field(default_factory=NotDone)
    refused: dict[str, NotDone] = field(default_factory=dict)
    writers: dict[tuple[int, int], str] = field(default_factory=dict)  # device and inode number -> path
    subvolumes: list[str] = field(default_factory=list)
    leftovers: list[tuple[Tree, str]] = field(default_factory=list)  # where a conversion that was killed left its own
    largest: int = 0  # bytes that the largest file to be copied takes on disk
    copied: int = 0  # bytes that all of them take
    kept: int = 0  # bytes of those whose names elsewhere keep the old data
    extents: dict[str, int] = field(default_factory=lambda: {"nocow": 0, "cow": 0})

    @property
    def work(self) -> bool:
        """Whether anything would be changed."""
        return bool(self.directories.converted or self.files.converted or self.leftovers)

    def merge(self, other: Survey) -> None:
        """Add what another has found elsewhere in the same tree."""
        self.directories.merge(other.directories)
        self.files.merge(other.files)
        self.bytes.merge(other.bytes)
        self.not_done.merge(other.not_done)
        for kind, refused in other.refused.items():
            self.refused.setdefault(kind, NotDone()).merge(refused)
        self.writers.update(other.writers)
        self.subvolumes += other.subvolumes
        self.leftovers += other.leftovers
        self.largest = max(self.largest, other.largest)
        self.copied += other.copied
        self.kept += other.kept
        for kind, number in other.extents.items():
            self.extents[kind] += number


@dataclass
class _Linked:
    """A file of several names that is to be copied."""

    links: int
    path: str
    room: int  # bytes on disk
    met: int = 0  # names in the tree


class _Surveyor:
    """Looks at one tree (one subvolume), or at a part of it, and adds to a survey."""

    def __init__(self, tree: Tree, wish: Wish, found: Survey, count_extents: bool) -> None:
        self._tree = tree
        self._wish = wish
        self._found = found
        self._count_extents = count_extents
        self._linked: dict[int, _Linked] = {}  # by inode number

    def look(self) -> None:
        """Look at all of the tree."""
        self._walk([self._tree.top])
        self._links()

    def _walk(self, tops: list[str], shared: bool = False) -> None:
        """Go through what is below these directories, and where that is much, have other processes do their share."""
        found = self._found
        walk = Walk(self._tree, found.not_done, tops)
        with contextlib.ExitStack() as stack:
            parts = []
            for directory in walk.directories():
                self._look_at(walk, directory)
                if not shared and found.files.nocow + found.files.converted + found.files.cow >= _LARGE:
                    shared = True
                    parts = self._share_out(stack, walk)
            found.subvolumes += [self._tree.shown(path) for path in walk.subvolumes]
            found.leftovers += [(self._tree, path) for path in walk.leftovers]
            for paths, answer in parts:
                self._merge(answer() or self._part(paths))

    def _share_out(
        self, stack: contextlib.ExitStack, walk: Walk
    ) -> list[tuple[list[str], Callable[[], _Surveyor | None]]]:
        """Take from a walk what others shall look at, and have them begin."""
        processes = how_many()
        pending = walk.pending[:]
        walk.pending[:] = pending[::processes]
        shares = [pending[first::processes] for first in range(1, processes)]
        return [(paths, stack.enter_context(helper(functools.partial(self._part, paths)))) for paths in shares if paths]

    def _part(self, paths: list[str]) -> _Surveyor:
        """Who has looked at what is below these directories."""
        part = _Surveyor(self._tree, self._wish, Survey(), self._count_extents)
        part._walk(paths[:], shared=True)
        return part

    def _merge(self, part: _Surveyor) -> None:
        self._found.merge(part._found)
        for number, theirs in part._linked.items():
            self._linked.setdefault(number, _Linked(theirs.links, theirs.path, theirs.room)).met += theirs.met

    def _look_at(self, walk: Walk, directory: Directory) -> None:
        if self._tree.only is None:
            self._directory(directory)
        closed = self._closed(directory)
        for name, file, flags in walk.differing(directory, self._wish.nocow, (self._found.files, self._found.bytes)):
            try:
                self._file(self._tree.shown(join(directory.path, name)), file, flags, closed)
            finally:
                os.close(file)
        if self._count_extents:
            self._extents(directory)

    def _closed(self, directory: Directory) -> str | None:
        """What keeps the names of a directory from being exchanged."""
        if directory.flags & kernel.HELD_FLAGS and "immutable" not in self._wish.accept:
            return "directory_held"
        # Of an immutable directory the kernel says that not even root may change it.
        if os.geteuid() != 0:
            if _is_sticky_and_foreign(self._tree.base):
                return "base_closed"
            for descriptor, kind in ((self._tree.base, "base_closed"), (directory.descriptor, "directory_closed")):
                if not os.access(".", os.W_OK | os.X_OK, dir_fd=descriptor, effective_ids=True):
                    return kind
        return None

    def _stays(self, count: Count, amount: int = 1) -> None:
        if self._wish.nocow:
            count.cow += amount
        else:
            count.nocow += amount

    def _keep(self, path: str, kind: str) -> None:
        """Note an obstacle, as a refusal of the whole or as one thing left out."""
        if kind in REFUSALS:
            self._found.refused.setdefault(kind, NotDone()).obstacle(path, kind)
        else:
            self._found.not_done.obstacle(path, kind)

    def _directory(self, directory: Directory) -> None:
        counts, shown = self._found.directories, self._tree.shown(directory.path)
        if bool(directory.flags & kernel.NOCOW_FLAG) == self._wish.nocow:
            counts.nocow += self._wish.nocow
            counts.cow += not self._wish.nocow
            return
        kind = obstacle(directory.flags, self._wish)
        if kind is None and os.geteuid() not in (0, directory.status.st_uid):
            kind = "other_account"
        if kind is None:
            counts.converted += 1
        else:
            self._stays(counts)
            self._keep(shown, kind)

    def _file(self, path: str, file: int, flags: int, closed: str | None) -> None:
        found, wish = self._found, self._wish
        status = os.fstat(file)
        kind = "has_data" if status.st_size and not wish.convert else obstacle(flags, wish)
        if kind is None and status.st_size:
            kind = closed or not_ours(status) or self._probe(path, file, status)
        if kind is not None:
            self._stays(found.files)
            self._stays(found.bytes, status.st_size)
            self._keep(path, kind)
            return
        found.files.converted += 1
        found.bytes.converted += status.st_size
        if status.st_size == 0:
            return
        room = status.st_blocks * 512
        if status.st_nlink > 1:
            self._linked.setdefault(status.st_ino, _Linked(status.st_nlink, path, room)).met += 1
        else:
            self._to_copy(room)

    def _to_copy(self, room: int) -> None:
        self._found.largest = max(self._found.largest, room)
        self._found.copied += room

    def _probe(self, path: str, file: int, status: os.stat_result) -> str | None:
        try:
            if kernel.take_lease(file):
                return None  # Closing the file gives the lease up.
        except PermissionError:
            return "other_account"
        if len(self._found.writers) < LISTED:
            self._found.writers[(status.st_dev, status.st_ino)] = path
        return "writer"

    def _links(self) -> None:
        """Refuse the files that have names outside the tree. Names that a killed run left in its staging are inside."""
        staged = self._staged() if self._linked else Counter()
        for number, linked in self._linked.items():
            self._to_copy(linked.room)
            if linked.met + staged[number] == linked.links:
                continue
            self._found.kept += linked.room
            if "outside_links" not in self._wish.accept:
                self._keep(linked.path, "outside_links")

    def _staged(self) -> Counter[int]:
        counted: Counter[int] = Counter()
        for path in (path for tree, path in self._found.leftovers if tree.base == self._tree.base):
            try:
                descriptor = open_below(self._tree.base, join(path, STAGING), os.O_DIRECTORY)
            except OSError:
                continue
            try:
                with os.scandir(descriptor) as entries:
                    counted.update(entry.inode() for entry in entries)
            finally:
                os.close(descriptor)
        return counted

    def _extents(self, directory: Directory) -> None:
        with os.scandir(directory.descriptor) as entries:
            # Others are not even opened: that would wake who waits for a reader of a pipe.
            names = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
        for name in names:
            try:
                file = os.open(name, LOOK | os.O_NOATIME, dir_fd=directory.descriptor)
            except OSError:
                continue
            try:
                if stat.S_ISREG(os.fstat(file).st_mode) and self._tree.only in (None, name):
                    key = "nocow" if kernel.flags(file) & kernel.NOCOW_FLAG else "cow"
                    self._found.extents[key] += kernel.extent_count(file)
            finally:
                os.close(file)


def _is_sticky_and_foreign(directory: int) -> bool:
    """Whether everybody may make names in a directory of somebody else, who alone may give it attributes."""
    status = os.fstat(directory)
    return bool(status.st_mode & stat.S_ISVTX) and status.st_uid != os.geteuid()


def survey(tree: Tree, wish: Wish, found: Survey, count_extents: bool = False) -> None:
    """Look at one tree and add what is there to ``found``."""
    _Surveyor(tree, wish, found, count_extents).look()
