# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a tree is NOCOW, what is not, and what stands in the way of changing that.

It only looks, and alters nothing, not even an access time. Below the directory where it starts every step is relative
to a descriptor and follows no link, so that nobody who can write in the tree can lead root out of it.
"""

from __future__ import annotations

import array
import contextlib
import errno
import fcntl
import functools
import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Callable

from ..errors import reason
from . import kernel
from .helpers import helper, how_many

# Names that a conversion gives to the directory in which it works. Nobody else's data is in there.
STAGING = ".btrfs_nocow-staging"
# What a directory with such a directory in it has as an attribute: the times that it had before.
TIMES = "user.btrfs_nocow_times"

_LOOK = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LISTED = 100
# From so many files on it pays to start processes that share the rest.
_LARGE = 10_000

# What keeps a file or directory from being converted: what is the matter, and what to do about it.
OBSTACLES = {
    "writer": ("something has it open for writing", "stop the program that writes to it"),
    "immutable": ("it is immutable or append-only (lsattr shows i or a)", "chattr -i -a it, or accept: [immutable]"),
    "outside_links": (
        "it has names outside the tree, which would keep the old data",
        "convert a tree that holds all its names, or accept: [outside_links]",
    ),
    "held_for_root": ("it is immutable or append-only, which only root can change", "run the task as root"),
    "directory_held": (
        "the directory that it is in is immutable or append-only",
        "chattr -i -a the directory, or accept: [immutable]",
    ),
    "compressed": ("its compression flag or property excludes NOCOW", "chattr -c it, or accept: [compressed]"),
    "verity": ("fs-verity seals it", "leave it, or replace it by a plain copy"),
    "other_account": ("it belongs to another account", "run the task as root or as its owner"),
    "unreadable": ("it may not be read", "run the task as root, or change its mode"),
    "base_closed": ("this account may not change the directory that path names", "run the task as root"),
    "directory_closed": (
        "this account may not change the directory that it is in",
        "run the task as root, or change the directory's mode",
    ),
    "subvolume": ("it is a subvolume of its own", "name it in a task of its own, or set subvolumes: true"),
    "read_only_subvolume": ("it is a read-only subvolume", "leave it, or btrfs property set it to ro=false"),
    "mount": ("another file system or directory is mounted on it", "name what is mounted in a task of its own"),
    "has_data": ("it holds data, and convert is none", "set convert: all"),
}
# These stop the whole task before its first write; the others leave out what they name.
REFUSALS = ("writer", "immutable", "directory_held", "outside_links", "compressed")


@dataclass
class Count:
    """How much was NOCOW already, was turned by this run, and is copy-on-write; the turned are in neither of the others."""

    nocow: int = 0
    converted: int = 0
    cow: int = 0

    def merge(self, other: Count) -> None:
        """Add what another has counted."""
        self.nocow += other.nocow
        self.converted += other.converted
        self.cow += other.cow


@dataclass
class NotDone:
    """What is left out and why: the first of them, and how many they are."""

    listed: list[dict[str, str]] = field(default_factory=list)
    total: int = 0

    def add(self, path: str, why: str, remedy: str) -> None:
        """Note one."""
        self.total += 1
        if len(self.listed) < _LISTED:
            self.listed.append({"path": path, "reason": why, "remedy": remedy})

    def merge(self, other: NotDone) -> None:
        """Take over what another has noted."""
        self.total += other.total
        self.listed += other.listed[: _LISTED - len(self.listed)]

    def obstacle(self, path: str, kind: str) -> None:
        """Note one that a known obstacle keeps back."""
        self.add(path, *OBSTACLES[kind])


@dataclass
class Tree:
    """Where to work: everything below ``top``, or the one file ``only``, both relative to the open directory ``base``."""

    base: int
    base_path: str
    top: str = ""
    only: str | None = None
    mounted: frozenset[str] = frozenset()  # full paths on which something is mounted

    def shown(self, relative: str) -> str:
        """The full path of something in the tree."""
        return os.path.join(self.base_path, relative) if relative else self.base_path

    def below(self, path: str) -> Tree:
        """The tree of a subvolume in this one, by its full path; the caller closes its base."""
        base = open_below(self.base, os.path.relpath(path, self.base_path), os.O_DIRECTORY)
        return Tree(base, path, mounted=self.mounted)


@dataclass
class Directory:
    """One open directory of a tree while it is walked."""

    descriptor: int
    path: str
    flags: int
    status: os.stat_result
    children: list[str] = field(default_factory=list)


def open_below(base: int, relative: str, options: int = 0) -> int:
    """Open something below a directory, following no link on the way."""
    descriptor = os.dup(base)
    for name in relative.split("/") if relative else []:
        try:
            below = _open_quietly(name, descriptor, options)
        finally:
            os.close(descriptor)
        descriptor = below
    return descriptor


def _open_quietly(name: str, directory: int, options: int = 0) -> int:
    """Open for reading without touching the access time where the kernel lets us: on one's own files, and for root."""
    try:
        return os.open(name, _LOOK | os.O_NOATIME | options, dir_fd=directory)
    except PermissionError as exc:
        if exc.errno != errno.EPERM:
            raise
        return os.open(name, _LOOK | options, dir_fd=directory)


def _has_times(directory: int) -> bool:
    try:
        return bool(os.getxattr(directory, TIMES))
    except OSError:
        return False


def join(directory: str, name: str) -> str:
    """A path relative to the base, which itself is the empty path."""
    return f"{directory}/{name}" if directory else name


class Walk:
    """One way through a tree. Whoever goes along reads each directory's files to the end, or what is below is not met."""

    def __init__(self, tree: Tree, not_done: NotDone, tops: list[str] | None = None) -> None:
        self._tree = tree
        self._not_done = not_done
        self.pending = [tree.top] if tops is None else tops
        self.subvolumes: list[str] = []
        self.leftovers: list[str] = []  # directories in which a conversion that was killed left its own

    def directories(self) -> Iterator[Directory]:
        """Every directory of the subvolume, parents first; those that cannot be entered are noted."""
        tree = self._tree
        device = os.fstat(tree.base).st_dev
        while self.pending:
            path = self.pending.pop()
            try:
                descriptor = open_below(tree.base, path, os.O_DIRECTORY)
            except PermissionError:
                self._not_done.obstacle(tree.shown(path), "unreadable")
                continue
            except (FileNotFoundError, NotADirectoryError):
                continue  # Somebody removed or replaced it meanwhile.
            except OSError as exc:
                if exc.errno != errno.ELOOP:
                    self._not_done.add(
                        tree.shown(path), f"it cannot be opened: {reason(exc)}", "mend it and run the task again"
                    )
                continue
            try:
                status = os.fstat(descriptor)
                if status.st_dev != device:
                    self._other_device(path, status)
                    continue
                directory = Directory(descriptor, path, kernel.flags(descriptor), status)
                if _has_times(descriptor):
                    self.leftovers.append(path)
                yield directory
                self.pending.extend(join(path, name) for name in sorted(directory.children, reverse=True))
            finally:
                os.close(descriptor)

    def _other_device(self, path: str, status: os.stat_result) -> None:
        if status.st_ino == kernel.SUBVOLUME_INODE:
            self.subvolumes.append(path)
        else:
            self._not_done.obstacle(self._tree.shown(path), "mount")

    def differing(
        self, directory: Directory, nocow: bool, alike: tuple[Count, Count]
    ) -> Iterator[tuple[str, int, int]]:
        """Name, open descriptor and flags of each regular file whose flag is not ``nocow``.

        The caller closes the descriptors. The others are counted in ``alike``, as files and as bytes.
        """
        tree, shown, descriptor = self._tree, self._tree.shown(directory.path), directory.descriptor
        flags = array.array("I", [0, 0])
        mounts = {os.path.basename(path) for path in tree.mounted if os.path.dirname(path) == shown}
        number = size = 0
        with os.scandir(descriptor) as entries:
            for entry in entries:
                name = entry.name
                if tree.only is not None and name != tree.only:
                    continue
                if name in mounts:
                    self._not_done.obstacle(os.path.join(shown, name), "mount")
                elif entry.is_file(follow_symlinks=False):
                    try:
                        file = os.open(name, _LOOK | os.O_NOATIME, dir_fd=descriptor)
                    except OSError as exc:
                        self._not_opened(os.path.join(shown, name), exc)
                        continue
                    fcntl.ioctl(file, kernel.GET_FLAGS, flags)
                    if bool(flags[0] & kernel.NOCOW_FLAG) == nocow:
                        number += 1
                        # Half the price of asking for the whole status, and most of this loop's time counts.
                        size += os.lseek(file, 0, os.SEEK_END)
                        os.close(file)
                    else:
                        yield name, file, flags[0]
                elif entry.is_dir(follow_symlinks=False) and not (name == STAGING and directory.path in self.leftovers):
                    directory.children.append(name)
        for count, amount in zip(alike, (number, size)):
            if nocow:
                count.nocow += amount
            else:
                count.cow += amount

    def _not_opened(self, path: str, error: OSError) -> None:
        """EPERM says that without root only the owner opens without touching the access time; EACCES that the mode forbids it."""
        if error.errno == errno.EPERM:
            self._not_done.obstacle(path, "other_account")
        elif error.errno == errno.EACCES:
            self._not_done.obstacle(path, "unreadable")
        elif error.errno not in (errno.ENOENT, errno.ELOOP, errno.ENXIO):
            self._not_done.add(path, f"it cannot be opened: {reason(error)}", "mend it and run the task again")


@dataclass
class Wish:
    """What a run is asked for."""

    nocow: bool = True
    convert: bool = True
    subvolumes: bool = False
    accept: frozenset[str] = frozenset()


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
        for kind, number in other.extents.items():
            self.extents[kind] += number


def obstacle(flags: int, wish: Wish) -> str | None:
    """What keeps this one file or directory from being converted, judged by its flags.

    That it shall not be compressed (m, which the kernel itself sets on what compresses badly) is none: NOCOW implies it.
    """
    if flags & kernel.VERITY_FLAG:
        return "verity"
    if flags & kernel.HELD_FLAGS:
        if "immutable" not in wish.accept:
            return "immutable"
        if os.geteuid() != 0:
            return "held_for_root"
    if wish.nocow and flags & kernel.COMPRESSED_FLAG and "compressed" not in wish.accept:
        return "compressed"
    return None


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
            kind = closed or self._probe(path, file, status)
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
        if len(self._found.writers) < _LISTED:
            self._found.writers[(status.st_dev, status.st_ino)] = path
        return "writer"

    def _links(self) -> None:
        """Refuse the files that have names outside the tree. Names that a killed run left in its staging are inside."""
        staged = self._staged() if self._linked else Counter()
        for number, linked in self._linked.items():
            self._to_copy(linked.room)
            if linked.met + staged[number] < linked.links and "outside_links" not in self._wish.accept:
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
        for entry in os.listdir(directory.descriptor):
            try:
                file = os.open(entry, _LOOK | os.O_NOATIME, dir_fd=directory.descriptor)
            except OSError:
                continue
            try:
                if stat.S_ISREG(os.fstat(file).st_mode) and self._tree.only in (None, entry):
                    key = "nocow" if kernel.flags(file) & kernel.NOCOW_FLAG else "cow"
                    self._found.extents[key] += kernel.extent_count(file)
            finally:
                os.close(file)


def survey(tree: Tree, wish: Wish, found: Survey, count_extents: bool = False) -> None:
    """Look at one tree and add what is there to ``found``."""
    _Surveyor(tree, wish, found, count_extents).look()
