# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copying one file into a new inode with everything that it has but its compression and its copy-on-write."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import stat
from collections.abc import Iterator

from . import kernel

# Below this the page cache is as fast as going around it.
DIRECT_FROM = 1024 * 1024
_AT_ONCE = 8 * 1024 * 1024
_KEPT_FLAGS = kernel.SYNC_FLAG | kernel.NO_DUMP_FLAG | kernel.NO_ATIME_FLAG
_COMPRESSION_PROPERTY = "btrfs.compression"


class Wanted(Exception):
    """Somebody opens the file for writing while it is copied: the copy is void."""


def _segments(source: int, size: int) -> Iterator[tuple[int, int]]:
    """Start and end of each range that holds data; between them are holes and reserved room."""
    position = 0
    while position < size:
        try:
            start = os.lseek(source, position, os.SEEK_DATA)
        except OSError as exc:
            if exc.errno != errno.ENXIO:
                raise
            return
        position = min(os.lseek(source, start, os.SEEK_HOLE), size)
        yield start, position


class Copier:
    """Makes copies, one after the other, with one buffer."""

    def __init__(self, nocow: bool) -> None:
        self._nocow = nocow
        self._buffer = memoryview(mmap.mmap(-1, _AT_ONCE))
        self._owner = (os.geteuid(), os.getegid())

    def copy(self, source: int, status: os.stat_result, flags: int, staging: int, name: str) -> int:
        """Copy the open file into a new one called ``name`` in the staging directory; the open descriptor of the new one.

        The process's umask is expected to be 0. Raises Wanted, or OSError; the new file is then gone again.
        """
        target = os.open(
            name,
            os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC,
            status.st_mode & 0o777,
            dir_fd=staging,
        )
        try:
            self._flags(target, flags & _KEPT_FLAGS)
            self._data(source, target, status)
            self._metadata(source, target, status)
        except BaseException:
            os.close(target)
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=staging)
            raise
        return target

    def _flags(self, target: int, kept: int) -> None:
        """The flag can only be set while the file is empty, and the kernel does not say when it ignores it."""
        flags = kept | (kernel.NOCOW_FLAG if self._nocow else 0)
        if kernel.flags(target) != flags:
            kernel.set_flags(target, flags)
            if kernel.flags(target) != flags:
                raise OSError(errno.EOPNOTSUPP, "The file system keeps the new file as it would be without the flag")

    def _data(self, source: int, target: int, status: os.stat_result) -> None:
        size, block = status.st_size, status.st_blksize
        whole = -(-size // block) * block
        if status.st_blocks * 512 <= whole and os.lseek(source, 0, os.SEEK_HOLE) >= size:
            self._range(source, target, 0, size, block)
            if size >= DIRECT_FROM:
                os.ftruncate(target, size)
            return
        for start, end in _segments(source, size):
            self._range(source, target, start, end, block)
        os.ftruncate(target, size)
        for extent in kernel.extents(source):
            if extent.unwritten:
                kernel.reserve(target, extent.start, extent.length)

    def _range(self, source: int, target: int, start: int, end: int, block: int) -> None:
        if end - start < DIRECT_FROM or start % block:
            self._buffered(source, target, start, end)
            return
        if self._nocow:
            # Reserved in one piece, it is written in one piece. A file that is to be compressed must not have this.
            kernel.reserve(target, start, end - start)
        for descriptor in (source, target):
            _direct(descriptor, True)
        try:
            self._around_the_cache(source, target, start, end, block)
        finally:
            for descriptor in (source, target):
                _direct(descriptor, False)

    def _buffered(self, source: int, target: int, start: int, end: int) -> None:
        while start < end:
            data = os.pread(source, min(DIRECT_FROM, end - start), start)
            if not data:
                raise Wanted
            _write(target, memoryview(data), start)
            start += len(data)

    def _around_the_cache(self, source: int, target: int, start: int, end: int, block: int) -> None:
        while start < end:
            if not kernel.has_lease(source):
                raise Wanted
            length = min(_AT_ONCE, end - start)
            padded = -(-length // block) * block
            read = os.preadv(source, [self._buffer[:padded]], start)
            if read < length and read % block:
                raise Wanted
            if read >= length:
                read = length
                self._buffer[length:padded] = bytes(padded - length)
            if not read:
                raise Wanted
            _write(target, self._buffer[: -(-read // block) * block], start)
            start += read

    def _metadata(self, source: int, target: int, status: os.stat_result) -> None:
        """In this order: a change of owner takes set-id bits and capabilities away, and writing moves the times."""
        owned = (status.st_uid, status.st_gid)
        if owned != self._owner:
            os.fchown(target, *owned)
        if owned != self._owner or status.st_mode & 0o7000:
            os.fchmod(target, stat.S_IMODE(status.st_mode))
        for name in os.listxattr(source):
            if name != _COMPRESSION_PROPERTY:
                _set_attribute(target, name, os.getxattr(source, name))
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def _direct(descriptor: int, wanted: bool) -> None:
    options = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, options | os.O_DIRECT if wanted else options & ~os.O_DIRECT)


def _set_attribute(target: int, name: str, value: bytes) -> None:
    # The kernel may have given the new file the same label already, which only root may set.
    with contextlib.suppress(OSError):
        if os.getxattr(target, name) == value:
            return
    os.setxattr(target, name, value)


def _write(target: int, data: memoryview, start: int) -> None:
    while data:
        written = os.pwrite(target, data, start)
        data = data[written:]
        start += written
