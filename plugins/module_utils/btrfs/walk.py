# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One way through a tree that alters nothing, not even an access time.

Below the directory where it starts every step is relative to a descriptor and follows no link, so that nobody who can
write in the tree can lead root out of it.
"""

from __future__ import annotations

import array
import errno
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..errors import reason
from . import kernel
from .obstacles import NotDone

# Names that a conversion gives to the directory in which it works. Nobody else's data is in there.
STAGING = ".btrfs_nocow-staging"
# What a directory with such a directory in it has as an attribute: the times that it had before.
TIMES = "user.btrfs_nocow_times"

LOOK = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


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
        return os.open(name, LOOK | os.O_NOATIME | options, dir_fd=directory)
    except PermissionError as exc:
        if exc.errno != errno.EPERM:
            raise
        return os.open(name, LOOK | options, dir_fd=directory)


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
                        file = os.open(name, LOOK | os.O_NOATIME, dir_fd=descriptor)
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
