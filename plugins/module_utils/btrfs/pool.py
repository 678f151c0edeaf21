# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mounted pool, on descriptors.

The directories of a pool belong to accounts that may rename and replace what is in them while root works. So the pool
is opened once, every name below it is opened relative to its parent without following a link, and whatever is changed
is changed through the descriptor that was looked at.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .. import files, mounts
from ..errors import HomelabError, reason
from . import kernel

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Found:
    """One directory as it is."""

    uid: int
    gid: int
    mode: int
    subvolume: bool
    nocow: bool
    marked: bool
    occupied: bool  # holds something besides the marker
    in_pool: bool  # lies on the pool's file system


class Pool:
    """The pool's topmost directory, held open. ``path`` is for messages only."""

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._filesystem = kernel.filesystem_id(descriptor)

    def shown(self, parts: Sequence[str]) -> str:
        return "/".join([self.path, *parts])

    @contextlib.contextmanager
    def directory(self, parts: Sequence[str]) -> Iterator[int | None]:
        """A descriptor of the directory, or None where it or one above it is missing."""
        descriptor = os.dup(self._descriptor)
        try:
            for number, name in enumerate(parts):
                try:
                    inner = os.open(name, _OPEN, dir_fd=descriptor)
                except FileNotFoundError:
                    yield None
                    return
                except OSError as exc:
                    shown = self.shown(parts[: number + 1])
                    if exc.errno in (errno.ELOOP, errno.ENOTDIR):
                        raise HomelabError(
                            f"{shown} is not a directory but a link or a file, and is not followed. Move it aside."
                        ) from exc
                    raise HomelabError(f"Cannot open {shown}: {reason(exc)}. Run the task as root.") from exc
                os.close(descriptor)
                descriptor = inner
            yield descriptor
        finally:
            os.close(descriptor)

    def found(self, descriptor: int, marker: str | None) -> Found:
        status = os.fstat(descriptor)
        try:
            in_pool = kernel.filesystem_id(descriptor) == self._filesystem
        except OSError:  # not a Btrfs at all
            in_pool = False
        with os.scandir(descriptor) as entries:
            # A link or a directory of the marker's name is no marker.
            occupied = any(entry.name != marker or not entry.is_file(follow_symlinks=False) for entry in entries)
        return Found(
            uid=status.st_uid,
            gid=status.st_gid,
            mode=stat.S_IMODE(status.st_mode),
            subvolume=status.st_ino == kernel.SUBVOLUME_INODE,
            nocow=in_pool and bool(kernel.flags(descriptor) & kernel.NOCOW_FLAG),
            marked=marker is not None and _is_file(descriptor, marker),
            occupied=occupied,
            in_pool=in_pool,
        )


def _is_file(directory: int, name: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def write_marker(directory: int, name: str, uid: int, gid: int) -> None:
    """Put the marker into the directory. It gets its name only when it is whole, so a kill leaves all of it or nothing."""
    descriptor = os.open(".", os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC, 0o644, dir_fd=directory)
    try:
        os.write(descriptor, b"Units that use the data in this directory refuse to start where this file is missing.\n")
        os.fchown(descriptor, uid, gid)
        os.fchmod(descriptor, 0o644)
        os.fsync(descriptor)
        os.link(f"/proc/self/fd/{descriptor}", name, dst_dir_fd=directory, follow_symlinks=True)
    finally:
        os.close(descriptor)
    os.fsync(directory)


@contextlib.contextmanager
def open_pool(path: str, check_mode: bool) -> Iterator[Pool | None]:
    """The pool; None where check mode runs before it is mounted."""
    text = (files.read("/proc/self/mountinfo") or b"").decode("utf-8", "surrogateescape")
    mounted = mounts.at(path, mounts.parse(text))
    if mounted is None:
        if not check_mode:
            raise HomelabError(
                f"The pool is not mounted at {path}, and nothing is made in the empty directory. Mount it (the role storage does), or correct pool."
            )
        yield None
        return
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as exc:
        raise HomelabError(f"Cannot open the pool {path}: {reason(exc)}. Run the task as root.") from exc
    try:
        yield _pool(path, descriptor, mounted.fstype)
    finally:
        os.close(descriptor)


def _pool(path: str, descriptor: int, fstype: str) -> Pool:
    try:
        return Pool(path, descriptor)
    except OSError as exc:
        raise HomelabError(
            f"The pool {path} is {fstype} and not Btrfs, so it has no subvolumes. Choose a Btrfs."
        ) from exc
