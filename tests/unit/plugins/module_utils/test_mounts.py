# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is mounted where, out of the kernel's and the administrator's texts."""

from __future__ import annotations

from ansible_collections.patriark.homelab.plugins.module_utils import mounts

MOUNTINFO = r"""22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw
36 22 0:32 / /mnt/pool rw,noatime shared:15 master:2 - btrfs /dev/sdb rw,space_cache=v2
40 22 0:33 /photos /mnt/two\040words rw - btrfs /dev/sdc rw
41 36 0:34 / /mnt/pool ro - tmpfs tmpfs ro
"""


def test_blanks_in_a_path_are_read_as_the_kernel_writes_them():
    found = mounts.at("/mnt/two words", mounts.parse(MOUNTINFO))
    assert found == mounts.Mount("/mnt/two words", "btrfs", "/dev/sdc", "/photos", "rw")


def test_of_two_mounts_at_one_path_the_last_is_seen():
    """A search from the front finds the Btrfs that lies hidden below."""
    found = mounts.at("/mnt/pool", mounts.parse(MOUNTINFO))
    assert found is not None
    assert found.fstype == "tmpfs"


def test_a_slash_at_the_end_is_the_same_path():
    assert mounts.at("/mnt/pool/", mounts.parse(MOUNTINFO)) is not None
    assert mounts.at("/mnt/a", mounts.parse_fstab("UUID=2 /mnt/a/ btrfs defaults 0 0\n")) is not None


def test_a_directory_below_a_mount_is_no_mount():
    assert mounts.at("/mnt/pool/photos", mounts.parse(MOUNTINFO)) is None


def test_fstab_is_read_without_its_comments_and_broken_lines():
    text = "# UUID=1 /mnt/pool btrfs defaults 0 0\n\nUUID=2\t/mnt/a\\040b btrfs\tnofail,noatime 0 0\n  # x y z w\nbroken /line\n"
    assert mounts.parse_fstab(text) == [mounts.Mount("/mnt/a b", "btrfs", "UUID=2", "", "nofail,noatime")]
