# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who writes to a file, out of what /proc says."""

from __future__ import annotations

import os

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils.btrfs import writers


@pytest.mark.parametrize(
    ("fdinfo", "expected"),
    [
        ("pos:\t0\nflags:\t0100000\nmnt_id:\t29\n", False),
        ("pos:\t0\nflags:\t0100001\nmnt_id:\t29\n", True),
        ("pos:\t0\nflags:\t02100002\nmnt_id:\t29\n", True),
        ("pos:\t0\n", False),
    ],
)
def test_who_writes_by_a_descriptor(fdinfo, expected):
    assert writers.may_write(fdinfo) == expected


def test_who_writes_by_a_mapping():
    maps = (
        "7f0000000000-7f0000001000 rw-s 00000000 00:2a 257 /mnt/pool/shared\n"
        "7f0000002000-7f0000003000 r--s 00000000 00:2a 258 /mnt/pool/read\n"
        "7f0000004000-7f0000005000 rw-p 00000000 00:2a 259 /mnt/pool/private\n"
    )
    assert writers.shared_writable(maps) == ["7f0000000000-7f0000001000"]


def test_this_process_is_found(tmp_path):
    path = tmp_path / "file"
    with open(path, "wb") as stream:
        status = os.fstat(stream.fileno())
        file = (status.st_dev, status.st_ino)
        assert writers.writers([file])[file].startswith(f"pid {os.getpid()} ")
    assert writers.writers([file]) == {}
