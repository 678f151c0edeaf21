# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that a conversion has to keep, of every entry of a tree, and what it has to change."""

from __future__ import annotations

import array
import fcntl
import hashlib
import os
import stat

GET_FLAGS = 0x80086601
SET_FLAGS = 0x40086602
COMPRESSED = 0x4
IMMUTABLE = 0x10
NOCOW = 0x800000
STAGING = b".btrfs_nocow-staging"
# Those that a conversion is to keep: S, i, a, d, A.
_KEPT_FLAGS = 0x8 | 0x10 | 0x20 | 0x40 | 0x80
_OWN_ATTRIBUTE = "user.btrfs_nocow_times"


def flags(path):
    """The inode flags."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOATIME)
    try:
        answer = array.array("I", [0, 0])
        fcntl.ioctl(descriptor, GET_FLAGS, answer)
        return answer[0]
    finally:
        os.close(descriptor)


def set_flags(path, value):
    """Set the inode flags, as chattr does."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        fcntl.ioctl(descriptor, SET_FLAGS, array.array("I", [value, 0]))
    finally:
        os.close(descriptor)


def add_flags(path, value):
    """Add to the inode flags."""
    set_flags(path, flags(path) | value)


def _attributes(path):
    return {
        name: os.getxattr(path, name, follow_symlinks=False)
        for name in os.listxattr(path, follow_symlinks=False)
        if name not in ("btrfs.compression", _OWN_ATTRIBUTE)
    }


def _holes(descriptor, size):
    """Where data begins and ends."""
    found, position = [], 0
    while position < size:
        try:
            start = os.lseek(descriptor, position, os.SEEK_DATA)
        except OSError:
            break
        position = os.lseek(descriptor, start, os.SEEK_HOLE)
        found.append((start, position))
    return found


def _contents(path):
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NOATIME)
    with os.fdopen(descriptor, "rb") as stream:
        digest = hashlib.blake2b()
        while block := stream.read(1 << 20):
            digest.update(block)
        return digest.hexdigest(), _holes(descriptor, os.fstat(descriptor).st_size)


def _walk(top):
    """Every entry but what a conversion works with, relative to the top; the top itself is the empty path."""
    yield b""
    pending = [b""]
    while pending:
        directory = pending.pop()
        for name in sorted(os.listdir(os.path.join(top, directory))):
            path = os.path.join(directory, name)
            if name == STAGING:
                continue
            yield path
            if stat.S_ISDIR(os.lstat(os.path.join(top, path)).st_mode):
                pending.append(path)


def manifest(top, ended=True):
    """What has to be kept of each entry. In the middle of a conversion some things may differ for a while."""
    top = os.fsencode(top)
    found, groups = {}, {}
    for path in _walk(top):
        full = os.path.join(top, path)
        status = os.lstat(full)
        kind = stat.S_IFMT(status.st_mode)
        entry = {
            "mode": status.st_mode,
            "owner": (status.st_uid, status.st_gid),
            "attributes": _attributes(full),
        }
        if kind == stat.S_IFREG:
            groups.setdefault(status.st_ino, []).append(path)
            entry.update(
                contents=_contents(full), size=status.st_size, mtime=status.st_mtime_ns, atime=status.st_atime_ns
            )
        elif kind == stat.S_IFLNK:
            entry["target"] = os.readlink(full)
        elif kind in (stat.S_IFCHR, stat.S_IFBLK):
            entry["device"] = status.st_rdev
        if ended and kind in (stat.S_IFREG, stat.S_IFDIR):
            entry["flags"] = flags(full) & _KEPT_FLAGS
        if ended and kind == stat.S_IFDIR:
            entry["times"] = (status.st_atime_ns, status.st_mtime_ns)
        if ended and kind == stat.S_IFREG:
            entry["reserved"] = status.st_blocks * 512 > -(-status.st_size // 4096) * 4096
        found[path] = entry
    if ended:
        for names in groups.values():
            for path in names:
                found[path]["links"] = sorted(names)
    return found


def differences(before, after):
    """What is not kept, readable."""
    found = []
    for path in sorted(set(before) | set(after)):
        old, new = before.get(path), after.get(path)
        if old is None or new is None:
            found.append((path, "appeared" if old is None else "is gone"))
            continue
        found += [(path, key, old[key], new[key]) for key in old if key in new and old[key] != new[key]]
    return found


def copy_on_write(top, device=None):
    """The regular files and directories that are not NOCOW."""
    top = os.fsencode(top)
    device = os.lstat(top).st_dev
    found = []
    for path in _walk(top):
        full = os.path.join(top, path)
        status = os.lstat(full)
        can_be = status.st_dev == device and (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode))
        if can_be and not flags(full) & NOCOW:
            found.append(path)
    return found


def leftovers(top):
    """What a conversion works with and has to take away."""
    top = os.fsencode(top)
    found = []
    for directory, names, _files in os.walk(top):
        found += [os.path.join(directory, name) for name in names if name.startswith(STAGING)]
        if _OWN_ATTRIBUTE in os.listxattr(directory):
            found.append(directory)
    return found
