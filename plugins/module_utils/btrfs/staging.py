# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory in which a conversion makes its copies, the journal of the batch in hand, and clearing up.

Before a batch exchanges its first file, its journal says what every name in the staging directory is. Whatever ends
the run, clearing up can then tell a copy that was never used, an old file whose place is taken, and a file that is
neither and belongs to somebody. Only the first two are removed, and an old file only while nobody has touched it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Callable

from ..errors import HomelabError, reason
from . import kernel
from .slices import KEPT, PARTED
from .walk import STAGING, TIMES, open_below

_JOURNAL = "journal"
_COPY = ".copy"

_GONE = (FileNotFoundError, NotADirectoryError)
# Two directories that one exchange changes may differ by a tick of the kernel's clock.
_ONE_MOMENT = 20_000_000

# Path, reason, remedy.
Report = Callable[[str, str, str], None]


@dataclass
class Entry:
    """One file of the batch: its inode numbers, what the old one looked like, and its names relative to the base."""

    staged: str
    old: int
    new: int
    size: int
    mtime: int
    held_flags: int  # immutable and append-only, taken off for the exchange
    places: list[str]

    def staged_names(self) -> list[str]:
        """The name in the staging directory that is exchanged with each place."""
        return (
            [self.staged]
            if len(self.places) == 1
            else [f"{self.staged}.{number}" for number in range(len(self.places))]
        )


def _joined(entry: Entry) -> str:
    """The name in the staging directory by which parted hard links are made one file again."""
    return f"{entry.staged}.joined"


@dataclass
class Resting:
    """What a directory shall look like again when the batch is through."""

    inode: int
    atime: int
    mtime: int
    held_flags: int


def status_of(directory: int, name: str) -> os.stat_result | None:
    """The status of a name, or None where there is none."""
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None


def remove(directory: int, name: str) -> None:
    """Remove a name if it is there."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=directory)


@contextlib.contextmanager
def opened(base: int, path: str, options: int = 0) -> Iterator[int]:
    """A descriptor of what is below the base at a path; FileNotFoundError or NotADirectoryError where it is not there."""
    try:
        descriptor = open_below(base, path, options)
    except OSError as exc:
        if exc.errno == errno.ELOOP:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from exc
        raise
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def parent_of(base: int, path: str) -> Iterator[tuple[int, str]]:
    """The open directory of a path relative to the base, and its name there."""
    directory, name = os.path.split(path)
    with opened(base, directory, os.O_DIRECTORY) as descriptor:
        yield descriptor, name


@contextlib.contextmanager
def locked(base: int, shown: str) -> Iterator[None]:
    """Hold the base against another conversion that would work in it."""
    try:
        fcntl.flock(base, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        raise HomelabError(
            f"Cannot convert in {shown}: another conversion is at work there. Wait until it has ended, then run the task again."
        ) from exc
    try:
        yield
    finally:
        fcntl.flock(base, fcntl.LOCK_UN)


@contextlib.contextmanager
def _resting(base: int, path: str, resting: Resting) -> Iterator[int]:
    """A descriptor of the directory; FileNotFoundError where it is no longer there."""
    with opened(base, path, os.O_DIRECTORY) as descriptor:
        if os.fstat(descriptor).st_ino != resting.inode:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        yield descriptor


def set_times(descriptor: int, atime: int, mtime: int) -> None:
    """Set a directory's times, which only its owner and root may. Others who may change it leave their mark in it."""
    with contextlib.suppress(PermissionError):
        os.utime(descriptor, ns=(atime, mtime))


class Staging:
    """The open staging directory of a base."""

    def __init__(self, base: int, shown: str, descriptor: int, report: Report) -> None:
        self._base = base
        self._shown = shown
        self._report = report
        self.descriptor = descriptor

    @classmethod
    def find(cls, base: int, shown: str, report: Report) -> Staging | None:
        """The staging directory that an earlier run left, or None."""
        path = os.path.join(shown, STAGING)
        try:
            descriptor = open_below(base, STAGING, os.O_DIRECTORY)
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise HomelabError(
                f"{path} is not a directory that this account can open ({reason(exc)}), and a conversion needs that name. "
                "Run the task as root, or move it away."
            ) from exc
        status = os.fstat(descriptor)
        foreign = [name for name in os.listdir(descriptor) if name != _JOURNAL and _COPY not in name]
        if status.st_uid == os.geteuid() and not foreign:
            return cls(base, shown, descriptor, report)
        os.close(descriptor)
        if foreign:
            raise HomelabError(f"{path} holds {foreign[0]}, which no conversion made. Move the directory away.")
        raise HomelabError(
            f"{path} was left by a conversion of the account with the uid {status.st_uid}. "
            "Run the task as that account first: it finishes what was begun."
        )

    @classmethod
    def make(cls, base: int, shown: str, nocow: bool, report: Report) -> Staging:
        """A new, empty staging directory from which nothing is inherited but the flag that is wanted."""
        status = os.fstat(base)
        times = f"{status.st_atime_ns} {status.st_mtime_ns}"
        os.setxattr(base, TIMES, times.encode(), os.XATTR_CREATE)
        os.mkdir(STAGING, 0o700, dir_fd=base)
        os.setxattr(base, TIMES, f"{times} {os.fstat(base).st_mtime_ns}".encode(), os.XATTR_REPLACE)
        descriptor = open_below(base, STAGING, os.O_DIRECTORY)
        for name in ("system.posix_acl_default", "system.posix_acl_access"):
            with contextlib.suppress(OSError):
                os.removexattr(descriptor, name)
        os.fchmod(descriptor, 0o700)
        if kernel.flags(descriptor):
            kernel.set_flags(descriptor, 0)
        if nocow:
            kernel.set_flags(descriptor, kernel.NOCOW_FLAG)
        return cls(base, shown, descriptor, report)

    def write_journal(self, entries: list[Entry], directories: dict[str, Resting]) -> None:
        """Say what the batch is about to do. On disk with the next sync of the file system, before anything is exchanged."""
        text = json.dumps(
            {
                "entries": [vars(entry) for entry in entries],
                "directories": {path: vars(resting) for path, resting in directories.items()},
            }
        )
        descriptor = os.open(
            _JOURNAL,
            os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC,
            0o600,
            dir_fd=self.descriptor,
        )
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(text)

    def _read_journal(self) -> tuple[list[Entry], dict[str, Resting]]:
        """What the journal says. Half of one was never on disk, so that nothing of it has begun."""
        try:
            descriptor = os.open(_JOURNAL, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.descriptor)
            with os.fdopen(descriptor, "r", encoding="ascii") as stream:
                text: dict[str, Any] = json.load(stream)
        except FileNotFoundError:
            return [], {}
        except ValueError:
            return [], {}  # cut off while it was written
        return [Entry(**entry) for entry in text["entries"]], {
            path: Resting(**resting) for path, resting in text["directories"].items()
        }

    def drop_journal(self) -> None:
        """Say that the batch is through."""
        remove(self.descriptor, _JOURNAL)

    def take_place(self, staged: str, directory: int, name: str, expected: int, ours: int) -> bool:
        """Exchange a staged name with a place. Undone, and False, where what came out of the place is not the inode expected."""
        kernel.exchange(self.descriptor, staged, directory, name)
        came = status_of(self.descriptor, staged)
        if came is not None and came.st_ino == expected:
            return True
        self.give_back(staged, directory, name, ours)
        return False

    def give_back(self, staged: str, directory: int, name: str, ours: int) -> None:
        """Undo an exchange. What others put in the place meanwhile stays there, and what they had there before is kept beside it."""
        try:
            kernel.exchange(self.descriptor, staged, directory, name)
        except FileNotFoundError:
            self.keep_beside(staged, directory, name)
            return
        came = status_of(self.descriptor, staged)
        if came is not None and came.st_ino != ours:
            with contextlib.suppress(FileNotFoundError):
                kernel.exchange(self.descriptor, staged, directory, name)
            self.keep_beside(staged, directory, name)

    def keep_beside(self, staged: str, directory: int, name: str) -> None:
        """Bring somebody's file out of the staging directory under a new name, and say so."""
        status = status_of(self.descriptor, staged)
        if status is None:
            return
        kept = f"{os.fsdecode(os.fsencode(name)[:200])}.kept-{status.st_ino}"
        with contextlib.suppress(FileExistsError):
            os.link(staged, kept, src_dir_fd=self.descriptor, dst_dir_fd=directory, follow_symlinks=False)
        os.unlink(staged, dir_fd=self.descriptor)
        self._report(
            os.path.join(self._shown, name),
            f"it was changed or replaced while it was converted; {KEPT} {kept} in its directory",
            "compare the two and remove one",
        )

    def _untouched(self, directory: int, name: str, entry: Entry) -> bool:
        """Whether the file is as it was copied, and nothing can be writing to it."""
        try:
            descriptor = os.open(
                name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOATIME | os.O_CLOEXEC, dir_fd=directory
            )
        except OSError:
            return False
        try:
            status = os.fstat(descriptor)
            return kernel.take_lease(descriptor) and (status.st_size, status.st_mtime_ns) == (entry.size, entry.mtime)
        finally:
            os.close(descriptor)

    def settle(self) -> None:
        """Bring what a batch began to an end, from whatever point it was left at, and empty the staging directory."""
        entries, directories = self._read_journal()
        self._wake(directories)
        for entry in entries:
            self.settle_entry(entry)
        self._rest(directories)
        for name in os.listdir(self.descriptor):
            if name != _JOURNAL:
                os.unlink(name, dir_fd=self.descriptor)
        self.drop_journal()

    def _wake(self, directories: dict[str, Resting]) -> None:
        """Let names be exchanged in the directories. Those that were changed after the conversion stopped keep that time."""
        stopped = os.fstat(self.descriptor).st_mtime_ns + _ONE_MOMENT
        for path, resting in directories.items():
            with contextlib.suppress(*_GONE), _resting(self._base, path, resting) as descriptor:
                status = os.fstat(descriptor)
                if status.st_mtime_ns > stopped:
                    resting.atime, resting.mtime = status.st_atime_ns, status.st_mtime_ns
                if resting.held_flags:
                    kernel.set_flags(descriptor, kernel.flags(descriptor) & ~kernel.HELD_FLAGS)

    def _rest(self, directories: dict[str, Resting]) -> None:
        for path, resting in directories.items():
            with contextlib.suppress(*_GONE), _resting(self._base, path, resting) as descriptor:
                set_times(descriptor, resting.atime, resting.mtime)
                if resting.held_flags:
                    kernel.set_flags(descriptor, kernel.flags(descriptor) | resting.held_flags)

    def settle_entry(self, entry: Entry) -> None:
        """Bring one file to an end: the new one in its places, or where somebody has touched the old one, that again."""
        if entry.held_flags:
            self._hold(entry, 0)
        for staged, place in zip(entry.staged_names(), entry.places):
            try:
                with parent_of(self._base, place) as (directory, name):
                    self._settle_place(entry, staged, directory, name)
            except _GONE:
                self._discard(entry, staged, self._base, os.path.basename(place))
        if len(entry.places) > 1:
            self._discard(entry, _joined(entry), self._base, os.path.basename(entry.places[0]))
            self._unite(entry)
            remove(self.descriptor, entry.staged)
        if entry.held_flags:
            self._hold(entry, entry.held_flags)

    def _settle_place(self, entry: Entry, staged: str, directory: int, name: str) -> None:
        came, there = status_of(self.descriptor, staged), status_of(directory, name)
        if came is None:
            return
        taken = there is not None and there.st_ino == entry.new
        touched = came.st_ino not in (entry.old, entry.new) or not self._untouched(self.descriptor, staged, entry)
        if touched and came.st_ino != entry.new and taken and self._untouched(directory, name, entry):
            self.give_back(staged, directory, name, entry.new)
        self._discard(entry, staged, directory, name)

    def _discard(self, entry: Entry, staged: str, directory: int, name: str) -> None:
        """Remove what has lost its place, or where somebody has touched it, keep it under a new name in the directory."""
        came = status_of(self.descriptor, staged)
        if came is None:
            return
        ours = came.st_ino in (entry.old, entry.new)
        if ours and (self._untouched(self.descriptor, staged, entry) or self.has_place(entry, came.st_ino)):
            os.unlink(staged, dir_fd=self.descriptor)
        else:
            self.keep_beside(staged, directory, name)

    def has_place(self, entry: Entry, inode: int) -> bool:
        """Whether the old or the new file has one of the places."""
        for place in entry.places:
            with contextlib.suppress(OSError), parent_of(self._base, place) as (directory, name):
                there = status_of(directory, name)
                if there is not None and there.st_ino == inode:
                    return True
        return False

    def _unite(self, entry: Entry) -> None:
        """Make the names of a hard-link group one file again, where a kill came between them."""
        inodes: dict[int, list[str]] = {entry.old: [], entry.new: []}
        for place in entry.places:
            with contextlib.suppress(*_GONE), parent_of(self._base, place) as (directory, name):
                there = status_of(directory, name)
                if there is not None and there.st_ino in inodes:
                    inodes[there.st_ino].append(place)
        if not inodes[entry.old] or not inodes[entry.new]:
            return
        for winner, loser in ((entry.new, entry.old), (entry.old, entry.new)):
            with parent_of(self._base, inodes[loser][0]) as (directory, name):
                safe = self._untouched(directory, name, entry)
            if safe:
                for place in inodes[loser]:
                    self._join(entry, inodes[winner][0], place, winner, loser)
                return
        shown = os.path.join(self._shown, inodes[entry.old][0])
        self._report(
            shown,
            PARTED,
            f"compare it with {inodes[entry.new][0]} and link them again",
        )

    def _join(self, entry: Entry, source: str, place: str, winner: int, loser: int) -> None:
        staged = _joined(entry)
        with parent_of(self._base, source) as (directory, name):
            os.link(name, staged, src_dir_fd=directory, dst_dir_fd=self.descriptor, follow_symlinks=False)
        with contextlib.suppress(FileNotFoundError), parent_of(self._base, place) as (directory, name):
            self.take_place(staged, directory, name, loser, winner)
        self._discard(entry, staged, self._base, os.path.basename(place))

    def _hold(self, entry: Entry, held_flags: int) -> None:
        """Make the file immutable or append-only or neither, old and new, wherever they are."""
        names = [(self._base, place) for place in entry.places] + [
            (self.descriptor, name) for name in entry.staged_names()
        ]
        for base, path in names:
            with contextlib.suppress(*_GONE), opened(base, path) as descriptor:
                if os.fstat(descriptor).st_ino in (entry.old, entry.new):
                    kernel.set_flags(descriptor, kernel.flags(descriptor) & ~kernel.HELD_FLAGS | held_flags)

    def close(self) -> None:
        """Remove the directory, which is empty, and leave no trace of it."""
        os.close(self.descriptor)
        changed = os.fstat(self._base).st_mtime_ns
        os.rmdir(STAGING, dir_fd=self._base)
        forget(self._base, changed)


def forget(base: int, changed: int | None = None) -> None:
    """Give the base the times that it had before there was a staging directory in it; nothing where there was none.

    ``changed`` is when names in it were changed last, where that can be told. What others did to it meanwhile counts.
    """
    try:
        atime, mtime, *made = (int(time) for time in os.getxattr(base, TIMES).split())
    except OSError:
        return
    except ValueError:
        pass  # No conversion wrote that.
    else:
        others = changed is not None and made and changed != made[0]
        set_times(base, atime, changed if changed is not None and others else mtime)
    os.removexattr(base, TIMES)
