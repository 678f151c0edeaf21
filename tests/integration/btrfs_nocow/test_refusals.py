# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused before anything is changed, what is accepted when it is named, and what a failure says."""

from __future__ import annotations

import fcntl
import mmap
import os
import subprocess

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils.btrfs import nocow
from ansible_collections.patriark.homelab.tests.loop_btrfs.convert import convert_here
from ansible_collections.patriark.homelab.tests.loop_btrfs.filesystem import Filesystem, command
from ansible_collections.patriark.homelab.tests.loop_btrfs.manifest import (
    COMPRESSED,
    IMMUTABLE,
    NOCOW,
    add_flags,
    copy_on_write,
    differences,
    leftovers,
    manifest,
    set_flags,
)
from ansible_collections.patriark.homelab.tests.loop_btrfs.trees import write


def refusal(path, **given):
    """Why it is refused; nothing is changed by that, and check mode says the same."""
    before = manifest(path)
    message = convert_here(path, **given)["msg"]
    assert convert_here(path, check=True, **given)["msg"] == message
    assert differences(before, manifest(path)) == []
    return message


def test_everything_that_stands_in_the_way_is_said_at_once(filesystem, top):
    for name in ("immutable", "append", "linked", "compressed"):
        write(f"{top}/{name}", b"data")
    os.link(f"{top}/linked", f"{filesystem.path}/outside")
    add_flags(f"{top}/compressed", COMPRESSED)
    add_flags(f"{top}/immutable", IMMUTABLE)
    add_flags(f"{top}/append", 0x20)
    with open(f"{top}/file", "ab") as writer:
        message = refusal(top)
        assert f"{top}/file (by pid {os.getpid()} " in message
    for name in ("immutable", "append", "linked", "compressed"):
        assert f"{top}/{name}" in message
        set_flags(f"{top}/{name}", 0)
    assert "for 4 reasons" in message
    assert writer.closed


def test_a_program_that_has_the_file_mapped_for_writing_is_a_writer(top):
    with open(f"{top}/file", "r+b") as stream:
        mapped = mmap.mmap(stream.fileno(), 0)
    assert f"pid {os.getpid()}" in refusal(top)
    mapped.close()


def test_readers_do_not_matter(top):
    with open(f"{top}/file", "rb"):
        assert convert_here(top)["files"]["converted"] == 1


def test_a_file_in_an_immutable_directory_is_refused(top):
    os.mkdir(f"{top}/held")
    write(f"{top}/held/file", b"data")
    set_flags(f"{top}/held", NOCOW | IMMUTABLE)
    message = refusal(top)
    assert f"{top}/held/file" in message
    set_flags(f"{top}/held", NOCOW)


def test_a_mirrored_data_profile_is_refused_unless_it_is_accepted():
    with Filesystem("400M", make=("-d", "dup")) as filesystem:
        write(f"{filesystem.path}/file", b"data")
        assert "DUP" in refusal(filesystem.path)
        assert "DUP" in convert_here(f"{filesystem.path}/new")["msg"]
        result = convert_here(filesystem.path, accept=["mirrored"])
        assert copy_on_write(filesystem.path) == []
        assert any("DUP" in cost for cost in result["costs"])


def test_what_is_read_only_is_refused(filesystem, top):
    command("btrfs", "subvolume", "snapshot", "-r", filesystem.path, f"{filesystem.path}/snapshot")
    assert "read-only subvolume" in refusal(f"{filesystem.path}/snapshot/top")
    filesystem.remount("ro")
    assert "mounted read-only" in refusal(top)


def test_another_file_system_is_refused_in_check_mode_too(tmp_path):
    write(str(tmp_path / "file"), b"data")
    assert "not on a Btrfs" in convert_here(tmp_path)["msg"]
    assert "not on a Btrfs" in convert_here(tmp_path, check=True)["msg"]
    assert "not on a Btrfs" in convert_here(tmp_path / "new")["msg"]
    assert "not on a Btrfs" in convert_here(tmp_path / "new", check=True)["msg"]


def test_an_empty_directory_that_may_be_the_pools_mount_point_is_no_reason_to_fail_in_check_mode(tmp_path):
    assert convert_here(tmp_path / "new", check=True)["unchecked"]


def test_a_relative_path_is_refused():
    assert "not absolute" in convert_here("data")["msg"]


def test_times_that_somebody_else_left_do_no_harm(top):
    os.setxattr(top, "user.btrfs_nocow_times", b"yesterday")
    assert convert_here(top)["files"]["converted"] == 1
    assert leftovers(top) == []


def test_what_is_neither_directory_nor_file_is_refused(top):
    os.mkfifo(f"{top}/fifo")
    assert "neither" in convert_here(f"{top}/fifo")["msg"]


@pytest.mark.parametrize("path", ["/", "/etc", "/usr/lib", "/var", "/home"])
def test_the_systems_own_directories_are_refused(path):
    message = convert_here(path, check=True)["msg"]
    assert "system's own" in message or "not on a Btrfs" in message


def test_too_little_space_is_refused_with_both_numbers(filesystem, top):
    write(f"{top}/large", os.urandom(90 << 20))
    write(f"{filesystem.path}/filler", os.urandom(110 << 20))
    command("sync", "-f", top)
    message = refusal(top)
    assert "too little space" in message
    free = os.statvfs(top).f_bavail * os.statvfs(top).f_frsize
    assert f"{free} are free" in message


def test_with_snapshots_the_whole_is_needed_and_the_task_warns(filesystem, top):
    for number in range(4):
        write(f"{top}/{number}", os.urandom(40 << 20))
    command("btrfs", "subvolume", "snapshot", "-r", filesystem.path, f"{filesystem.path}/snapshot")
    command("sync", "-f", top)
    assert "snapshots keep the old data" in refusal(top)
    for number in range(4):
        os.unlink(f"{top}/{number}")
    result = convert_here(top)
    assert "1 snapshot" in result["warnings"][0]
    assert any("1 of this subvolume" in cost for cost in result["costs"])


def test_a_second_run_at_the_same_time_is_refused(top):
    descriptor = os.open(top, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    assert "another conversion" in convert_here(top)["msg"]
    os.close(descriptor)
    assert convert_here(top)["changed"]


def test_a_directory_of_the_name_that_a_conversion_needs_is_not_touched(top):
    os.mkdir(f"{top}/.btrfs_nocow-staging")
    write(f"{top}/.btrfs_nocow-staging/mine", b"data")
    assert "which no conversion made" in convert_here(top)["msg"]
    assert os.listdir(f"{top}/.btrfs_nocow-staging") == ["mine"]


def test_a_file_that_cannot_be_read_stays_and_the_others_are_converted(filesystem, top):
    """Fails where what cannot be read is copied around. A byte of the file is changed on the device, behind Btrfs' back."""
    write(f"{top}/bad", b"a mark on the device" * 300 + os.urandom(3 << 20))
    filesystem.unmount()
    with open(filesystem.image, "r+b") as image:
        mapped = mmap.mmap(image.fileno(), 0)
        place = mapped.find(b"a mark on the device" * 300)
        mapped[place] = ord("A")
        mapped.close()
    filesystem.mount()
    result = convert_here(top)
    assert result["failed"]
    assert f"{top}/bad (Input/output error)" in result["msg"]
    assert copy_on_write(top) == [b"bad"]
    assert result["changed"]
    assert leftovers(top) == []


def test_a_large_file_that_cannot_be_read_stays_too(filesystem, top):
    """Fails where reading around the cache would not verify checksums."""
    write(f"{top}/bad", os.urandom(20 << 20) + b"a mark on the device" * 300)
    filesystem.unmount()
    with open(filesystem.image, "r+b") as image:
        mapped = mmap.mmap(image.fileno(), 0)
        place = mapped.find(b"a mark on the device" * 300)
        mapped[place] = ord("A")
        mapped.close()
    filesystem.mount()
    assert f"{top}/bad (Input/output error)" in convert_here(top)["msg"]
    assert copy_on_write(top) == [b"bad"]


def test_a_full_disk_is_said_and_nothing_is_lost(filesystem, top, monkeypatch):
    for number in range(4):
        write(f"{top}/{number}", os.urandom(30 << 20))
    command("btrfs", "subvolume", "snapshot", "-r", filesystem.path, f"{filesystem.path}/snapshot")
    write(f"{filesystem.path}/filler", os.urandom(80 << 20))
    command("sync", "-f", top)
    before = manifest(top)
    monkeypatch.setattr(nocow, "_lacking_space", lambda found: "")
    result = convert_here(top)
    assert result["failed"]
    assert "No space left on device" in result["msg"]
    assert differences(before, manifest(top)) == []
    assert leftovers(top) == []


def test_old_data_that_names_elsewhere_keep_is_needed_twice(filesystem, top):
    os.mkdir(f"{filesystem.path}/elsewhere")
    for number in range(5):
        write(f"{top}/{number}", os.urandom(30 << 20))
        os.link(f"{top}/{number}", f"{filesystem.path}/elsewhere/{number}")
    command("sync", "-f", top)
    assert "too little space" in refusal(top, accept=["outside_links"])


def test_a_quota_is_a_full_disk(filesystem):
    top = f"{filesystem.path}/limited"
    command("btrfs", "subvolume", "create", top)
    write(f"{top}/file", os.urandom(30 << 20))
    command("sync", "-f", top)
    command("btrfs", "quota", "enable", filesystem.path)
    command("btrfs", "quota", "rescan", "-w", filesystem.path)
    command("btrfs", "qgroup", "limit", "40M", top)
    before = manifest(top)
    result = convert_here(top)
    assert result["failed"]
    assert "quota exceeded" in result["msg"]
    assert differences(before, manifest(top)) == []
    assert leftovers(top) == []


def test_everything_of_a_program_in_another_namespace_is_seen(top):
    """Fails where writers are looked for in /proc only."""
    holder = subprocess.Popen(
        [
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "sh",
            "-c",
            f"exec 3>>'{top}/file'; echo; exec sleep 60",
        ],
        stdout=subprocess.PIPE,
    )
    try:
        holder.stdout.readline()
        assert "open for writing" in convert_here(top)["msg"]
    finally:
        holder.kill()
        holder.wait()
