# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tree with everything in it that copying files is known to lose."""

from __future__ import annotations

import ctypes
import os
import random
import stat
import struct

from .filesystem import command
from .manifest import COMPRESSED, IMMUTABLE, NOCOW, add_flags, set_flags

_KEEP_SIZE = 1
# user::rw- user:65534:r-- group::r-- mask::r-- other::r--
_ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", *entry)
    for entry in ((1, 6, 2**32 - 1), (2, 4, 65534), (4, 4, 2**32 - 1), (16, 4, 2**32 - 1), (32, 4, 2**32 - 1))
)
# CAP_NET_RAW, permitted and effective.
_CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)
_LONG_AGO = 1_500_000_000_123_456_789


def write(path, data, mode=0o644):
    """Make a file."""
    with open(path, "wb") as stream:
        stream.write(data)
    os.chmod(path, mode)


def reserve(path, start, length):
    """Reserve room beyond what a file holds."""
    with open(path, "r+b") as stream:
        offset = ctypes.c_int64
        if ctypes.CDLL(None).fallocate64(stream.fileno(), _KEEP_SIZE, offset(start), offset(length)):
            raise OSError("fallocate")


def awkward_tree(top, files=60, large=3 * 1024 * 1024, seed=1):
    """Make the tree; the options that a conversion needs to accept all of it are compressed and immutable."""
    chance = random.Random(seed)
    os.mkdir(top)
    for name in ("plain", "plain/inner", "special", "links", "links/far", "held"):
        os.mkdir(f"{top}/{name}")
    for number in range(files):
        directory = chance.choice(("plain", "plain/inner"))
        write(f"{top}/{directory}/{number}", chance.randbytes(chance.choice((1, 100, 4096, 5000, 20000))))
    for number in range(2):
        write(f"{top}/large{number}", chance.randbytes(large + number * 1000))
    _special(f"{top}/special", chance)
    _linked(f"{top}/links", chance)
    _held(f"{top}/held", chance)
    command("btrfs", "subvolume", "create", f"{top}/subvolume")
    write(f"{top}/subvolume/file", b"of another subvolume")
    _settle_times(top, chance)
    add_flags(f"{top}/held/immutable", IMMUTABLE)
    add_flags(f"{top}/held", IMMUTABLE)


def _special(top, chance):
    data = chance.randbytes(9000)
    write(f"{top}/sparse", b"")
    with open(f"{top}/sparse", "r+b") as stream:
        for offset in (65536, 1 << 20):
            stream.seek(offset)
            stream.write(data)
        stream.truncate(3 << 20)
    write(f"{top}/reserved", data)
    reserve(f"{top}/reserved", 0, 1 << 20)
    write(f"{top}/empty", b"")
    write(f"{top}/setuid", data, 0o4755)
    write(f"{top}/unreadable", data, 0)
    for name in (b"new\nline", b"not \xff utf-8", b"x" * 255):
        write(os.path.join(os.fsencode(top), name), data)
    write(f"{top}/other", data, 0o2660)
    os.chown(f"{top}/other", 65534, 12)
    os.chmod(f"{top}/other", 0o2660)
    write(f"{top}/attributes", data)
    for name, value in (
        ("user.note", b"\x00\xff"),
        ("trusted.note", b"root's"),
        ("security.selinux", b"system_u:object_r:etc_t:s0\x00"),
        ("security.capability", _CAPABILITY),
        ("system.posix_acl_access", _ACL),
    ):
        os.setxattr(f"{top}/attributes", name, value)
    os.mkfifo(f"{top}/fifo")
    os.mknod(f"{top}/device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    os.symlink("/nowhere", f"{top}/link")
    os.mkdir(f"{top}/compressed")
    add_flags(f"{top}/compressed", COMPRESSED)
    write(f"{top}/compressed/zeros", bytes(400_000) + data)
    write(f"{top}/kept_flags", data)
    add_flags(f"{top}/kept_flags", 0x40 | 0x80)
    write(f"{top}/swap", b"")
    set_flags(f"{top}/swap", NOCOW)
    write(f"{top}/swap", bytes(1 << 20), 0o600)


def _linked(top, chance):
    for group in range(3):
        write(f"{top}/{group}", chance.randbytes(5000 + group))
        for number in range(4):
            os.link(f"{top}/{group}", f"{top}/far/{group}-{number}")


def _held(top, chance):
    write(f"{top}/immutable", chance.randbytes(7000))
    write(f"{top}/beside", chance.randbytes(7000))


def _settle_times(top, chance):
    for directory, _names, files in os.walk(os.fsencode(top), topdown=False):
        for name in files:
            path = os.path.join(directory, name)
            if stat.S_ISREG(os.lstat(path).st_mode):
                os.utime(path, ns=(_LONG_AGO - chance.randrange(10**18), _LONG_AGO - chance.randrange(10**18)))
        os.utime(directory, ns=(_LONG_AGO - chance.randrange(10**18), _LONG_AGO - chance.randrange(10**18)))
