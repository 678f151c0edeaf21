# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ioctls and system calls of Btrfs that Python's standard library has no name for.

Every function takes open descriptors, raises OSError and decides nothing.
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import fcntl
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

# Inode flags, with the letter that lsattr shows for each.
COMPRESSED_FLAG = 0x4  # c
SYNC_FLAG = 0x8  # S
IMMUTABLE_FLAG = 0x10  # i
APPEND_FLAG = 0x20  # a
HELD_FLAGS = IMMUTABLE_FLAG | APPEND_FLAG
NO_DUMP_FLAG = 0x40  # d
NO_ATIME_FLAG = 0x80  # A
NOT_COMPRESSED_FLAG = 0x400  # m
DIRECTORY_SYNC_FLAG = 0x10000  # D
VERITY_FLAG = 0x100000  # V
NOCOW_FLAG = 0x800000  # C

# The numbers hold for every architecture that encodes an ioctl's direction as x86 and ARM do.
GET_FLAGS = 0x80086601
_SET_FLAGS = 0x40086602
_FIEMAP = 0xC020660B
_CREATE_SUBVOLUME = 0x5000940E
_TREE_SEARCH = 0xD0009411
_SPACE_INFO = 0xC0109414
_FILESYSTEM_INFO = 0x8400941F
_SUBVOLUME_INFO = 0x81F8943C

# The inode number of every subvolume's topmost directory.
SUBVOLUME_INODE = 256

_ROOT_TREE = 1
_ROOT_ITEM = 132
_BLOCK_GROUP_DATA = 0x1
# DUP, RAID1, RAID10, RAID5, RAID6, RAID1C3, RAID1C4: every profile that keeps a second copy or parity.
_MIRRORED = {
    0x10: "RAID1",
    0x20: "DUP",
    0x40: "RAID10",
    0x80: "RAID5",
    0x100: "RAID6",
    0x200: "RAID1C3",
    0x400: "RAID1C4",
}

_RENAME_NOREPLACE = 1
_RENAME_EXCHANGE = 2
_FALLOC_KEEP_SIZE = 1

_EXTENT_UNWRITTEN = 0x800
_EXTENT_SHARED = 0x2000
_FIEMAP_SYNC = 1
_FIEMAP_HEADER = struct.Struct("=QQIIII")
_FIEMAP_EXTENT = struct.Struct("=QQQQQIIII")
_EXTENTS_AT_ONCE = 512

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def flags(descriptor: int) -> int:
    """The inode flags of a file or directory."""
    answer = array.array("I", [0, 0])
    fcntl.ioctl(descriptor, GET_FLAGS, answer)
    return answer[0]


def set_flags(descriptor: int, value: int) -> None:
    """Replace the inode flags. The kernel silently ignores a change of NOCOW on a file that is not empty."""
    fcntl.ioctl(descriptor, _SET_FLAGS, array.array("I", [value, 0]))


def turn(descriptor: int, value: int, nocow: bool) -> None:
    """Give a directory or an empty file that has these flags NOCOW, which excludes both flags of compression, or take it."""
    if not nocow:
        set_flags(descriptor, value & ~NOCOW_FLAG)
        return
    compression = COMPRESSED_FLAG | NOT_COMPRESSED_FLAG
    if value & compression:
        # The kernel refuses to do both in one step.
        set_flags(descriptor, value & ~compression)
    set_flags(descriptor, value & ~compression | NOCOW_FLAG)


def exchange(directory: int, name: str, other_directory: int, other_name: str) -> None:
    """Let two names of one subvolume change places, in one step."""
    _checked(_libc.renameat2(directory, os.fsencode(name), other_directory, os.fsencode(other_name), _RENAME_EXCHANGE))


def rename_new(directory: int, name: str, new_name: str) -> None:
    """Rename within a directory; FileExistsError where the new name is taken."""
    _checked(_libc.renameat2(directory, os.fsencode(name), directory, os.fsencode(new_name), _RENAME_NOREPLACE))


def reserve(descriptor: int, start: int, length: int) -> None:
    """Give a file room on disk for a range without changing its size or what it reads as."""
    _checked(_libc.fallocate64(descriptor, _FALLOC_KEEP_SIZE, ctypes.c_int64(start), ctypes.c_int64(length)))


def take_lease(descriptor: int) -> bool:
    """Take a read lease: False where something has the file open or mapped for writing. PermissionError for another's file."""
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return False
    return True


def has_lease(descriptor: int) -> bool:
    """Whether the read lease is whole: nobody has asked for the file in a way that breaks it."""
    return fcntl.fcntl(descriptor, fcntl.F_GETLEASE) == fcntl.F_RDLCK


def drop_lease(descriptor: int) -> None:
    """Give the lease up, so that whoever waits for the file goes on. Harmless where there is none."""
    with contextlib.suppress(BlockingIOError):
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)


def sync_filesystem(descriptor: int) -> None:
    """Bring all data and metadata of the file system to disk.

    OSError also where a write failed in the background since the descriptor was opened, which the ioctl would not say.
    """
    _checked(_libc.syncfs(descriptor))


def create_subvolume(parent: int, name: str) -> None:
    """Make an empty subvolume called name in the directory parent; FileExistsError where the name is taken."""
    # Python passes more than 1024 bytes to the kernel only in a buffer that can be changed.
    fcntl.ioctl(parent, _CREATE_SUBVOLUME, bytearray(struct.pack("=q4088s", 0, os.fsencode(name))))


def filesystem_id(descriptor: int) -> bytes:
    """The UUID of the Btrfs that the descriptor lies on; OSError (ENOTTY) on any other file system."""
    answer = fcntl.ioctl(descriptor, _FILESYSTEM_INFO, bytes(1024))
    return answer[16:32]


@dataclass(frozen=True)
class Subvolume:
    """A subvolume as its root item says it."""

    number: int
    read_only: bool
    uuid: bytes
    parent_uuid: bytes  # of the subvolume that this one is a snapshot of; zeros where it is none


def subvolume(descriptor: int) -> Subvolume:
    """The subvolume that holds a file or directory."""
    answer = bytearray(504)
    fcntl.ioctl(descriptor, _SUBVOLUME_INFO, answer)
    # treeid, name[256], parent_id, dirid, generation, flags, uuid[16], parent_uuid[16], ...
    number = struct.unpack_from("=Q", answer, 0)[0]
    bits, uuid, parent_uuid = struct.unpack_from("=Q16s16s", answer, 288)
    return Subvolume(number, bool(bits & 1), uuid, parent_uuid)


def mirrored_profile(descriptor: int) -> str:
    """The name of the data profile that keeps mirrors or parity, "" where there is none (single, RAID0)."""
    answer = bytearray(16 + 24 * 64)
    struct.pack_into("=QQ", answer, 0, 64, 0)
    fcntl.ioctl(descriptor, _SPACE_INFO, answer)
    for number in range(struct.unpack_from("=QQ", answer)[1]):
        bits = struct.unpack_from("=Q", answer, 16 + 24 * number)[0]
        if bits & _BLOCK_GROUP_DATA:
            for bit, name in _MIRRORED.items():
                if bits & bit:
                    return name
    return ""


def _root_items(descriptor: int) -> Iterator[tuple[int, bytes]]:
    """Number and root item of every subvolume; PermissionError without CAP_SYS_ADMIN."""
    objectid = SUBVOLUME_INODE
    last = 2**64 - 1
    while True:
        answer = bytearray(4096)
        # tree, objectid from/to, offset from/to, transid from/to, type from/to, number of items, reserved
        key = struct.pack(
            "=QQQQQQQIII4x32x", _ROOT_TREE, objectid, last - 256, 0, last, 0, last, _ROOT_ITEM, _ROOT_ITEM, 4096
        )
        answer[: len(key)] = key
        fcntl.ioctl(descriptor, _TREE_SEARCH, answer)
        found = struct.unpack_from("=I", answer, 64)[0]
        position = 104
        for _number in range(found):
            objectid, kind, size = struct.unpack_from("=8xQ8xII", answer, position)
            position += 32
            if kind == _ROOT_ITEM:
                yield objectid, bytes(answer[position : position + size])
            position += size
        if not found:
            return
        objectid += 1


def snapshots_of(descriptor: int, uuid: bytes) -> int:
    """How many snapshots of the subvolume with this UUID there are; PermissionError without CAP_SYS_ADMIN."""
    # uuid[16] and parent_uuid[16] stand after the fields of the first version of the root item, at 247 and 263.
    return sum(item[263:279] == uuid for _number, item in _root_items(descriptor))


def extent_count(descriptor: int) -> int:
    """How many extents a file has."""
    query = bytearray(_FIEMAP_HEADER.pack(0, 2**64 - 1, 0, 0, 0, 0))
    fcntl.ioctl(descriptor, _FIEMAP, query)
    return int(_FIEMAP_HEADER.unpack(query)[3])


@dataclass(frozen=True)
class Extent:
    """One extent of a file, in bytes."""

    start: int
    length: int
    unwritten: bool
    shared: bool


def extents(descriptor: int) -> list[Extent]:
    """All extents of a file, what is not yet on disk being brought there first."""
    found: list[Extent] = []
    position = 0
    while True:
        query = bytearray(_FIEMAP_HEADER.size + _EXTENTS_AT_ONCE * _FIEMAP_EXTENT.size)
        _FIEMAP_HEADER.pack_into(query, 0, position, 2**64 - 1 - position, _FIEMAP_SYNC, 0, _EXTENTS_AT_ONCE, 0)
        fcntl.ioctl(descriptor, _FIEMAP, query)
        count = _FIEMAP_HEADER.unpack_from(query)[3]
        for number in range(count):
            start, _disk, length, _r1, _r2, bits, _r3, _r4, _r5 = _FIEMAP_EXTENT.unpack_from(
                query, _FIEMAP_HEADER.size + number * _FIEMAP_EXTENT.size
            )
            found.append(Extent(start, length, bool(bits & _EXTENT_UNWRITTEN), bool(bits & _EXTENT_SHARED)))
        if count < _EXTENTS_AT_ONCE:
            return found
        position = found[-1].start + found[-1].length
