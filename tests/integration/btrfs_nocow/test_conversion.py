# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a conversion does to a tree, and what it leaves as it was."""

from __future__ import annotations

import errno
import itertools
import os
import pwd
import random
import threading

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils.btrfs import copying, kernel, nocow
from ansible_collections.patriark.homelab.tests.loop_btrfs.convert import EVERYTHING, convert_as, convert_here
from ansible_collections.patriark.homelab.tests.loop_btrfs.filesystem import Filesystem, command
from ansible_collections.patriark.homelab.tests.loop_btrfs.manifest import (
    IMMUTABLE,
    NOCOW,
    add_flags,
    copy_on_write,
    differences,
    flags,
    leftovers,
    manifest,
)
from ansible_collections.patriark.homelab.tests.loop_btrfs.system_calls import calls
from ansible_collections.patriark.homelab.tests.loop_btrfs.trees import awkward_tree, write


def counts(result):
    """The numbers of a result, as tuples."""
    return {kind: tuple(result[kind].values()) for kind in ("directories", "files", "bytes")}


@pytest.fixture
def tree(filesystem):
    """The awkward tree."""
    awkward_tree(f"{filesystem.path}/tree")
    return f"{filesystem.path}/tree"


def test_everything_is_turned_and_everything_else_is_kept_and_again_when_it_is_turned_back(tree):
    before = manifest(tree)
    identity = os.stat(tree).st_ino
    result = convert_here(tree, accept=EVERYTHING)
    assert result["changed"]
    assert copy_on_write(tree) == []
    assert differences(before, manifest(tree)) == []
    assert os.stat(tree).st_ino == identity
    assert leftovers(tree) == []

    turned_back = convert_here(tree, accept=EVERYTHING, state="absent")
    assert turned_back["files"]["nocow"] == 0
    assert len(copy_on_write(tree)) == result["directories"]["converted"] + turned_back["files"]["converted"]
    assert differences(before, manifest(tree)) == []


def test_check_mode_predicts_the_run_and_alters_nothing(tree):
    before = manifest(tree)
    predicted = convert_here(tree, accept=EVERYTHING, check=True)
    assert differences(before, manifest(tree)) == []
    assert len(copy_on_write(tree)) > 50
    done = convert_here(tree, accept=EVERYTHING)
    assert counts(predicted) == counts(done)
    assert (predicted["changed"], predicted["diff"]) == (done["changed"], done["diff"])
    assert predicted["not_done"] == done["not_done"]


def test_check_mode_and_a_tree_that_is_done_cost_no_write_at_all(top, tmp_path):
    assert calls(top, str(tmp_path / "log"), check=True) == []
    assert convert_here(top)["changed"]
    assert calls(top, str(tmp_path / "log")) == []
    assert not convert_here(top)["changed"]


def test_the_numbers_say_what_was_there_what_was_turned_and_what_stays(top):
    write(f"{top}/empty", b"")
    assert counts(convert_here(top, convert="none")) == {
        "directories": (0, 1, 0),
        "files": (0, 1, 1),
        "bytes": (0, 0, 8000),
    }
    write(f"{top}/new", b"NOCOW by inheritance")
    result = convert_here(top)
    assert counts(result) == {"directories": (1, 0, 0), "files": (2, 1, 0), "bytes": (20, 8000, 0)}
    assert result["seconds"] > 0
    assert result["bytes_per_second"] > 0


def test_without_converting_what_holds_data_is_named(top):
    result = convert_here(top, convert="none")
    assert [one["path"] for one in result["not_done"]] == [f"{top}/file"]
    assert flags(top) & NOCOW
    assert not flags(f"{top}/file") & NOCOW
    assert not convert_here(top, convert="none")["changed"]


def test_what_is_fragmented_is_in_few_extents_afterwards(top):
    with open(f"{top}/file", "r+b") as stream:
        for block in range(0, 400, 2):
            stream.seek(block * 4096)
            stream.write(os.urandom(4096))
            os.fsync(stream.fileno())
            stream.seek((block + 1) * 4096)
            stream.write(os.urandom(4096))
        for block in random.Random(1).sample(range(400), 400):
            stream.seek(block * 4096)
            stream.write(os.urandom(4096))
            os.fsync(stream.fileno())
    result = convert_here(top)
    assert result["extents_before"] > 100
    assert result["extents_after"] <= 3


def test_a_single_file_is_turned_and_its_directory_is_not(top):
    write(f"{top}/beside", b"data")
    times = os.stat(top)
    result = convert_here(f"{top}/file")
    assert counts(result) == {"directories": (0, 0, 0), "files": (0, 1, 0), "bytes": (0, 8000, 0)}
    assert copy_on_write(top) == [b"", b"beside"]
    assert os.stat(top).st_mtime_ns == times.st_mtime_ns
    assert leftovers(top) == []


def test_links_at_and_above_the_path_are_followed_and_below_never(filesystem, top):
    outside = f"{filesystem.path}/outside"
    os.mkdir(outside)
    write(f"{outside}/file", b"data")
    os.symlink(outside, f"{top}/link")
    os.symlink(f"{outside}/file", f"{top}/link to a file")
    os.symlink(filesystem.path, f"{filesystem.path}/up")
    os.symlink(f"{filesystem.path}/up/top", f"{filesystem.path}/there")
    assert convert_here(f"{filesystem.path}/there")["files"]["converted"] == 1
    assert copy_on_write(top) == []
    assert copy_on_write(outside) == [b"", b"file"]


def test_a_directory_that_does_not_exist_is_made(filesystem):
    path = f"{filesystem.path}/new"
    creation = {"owner": "nobody", "group": "12", "mode": "2750"}
    predicted = convert_here(path, creation=creation, check=True)
    assert not os.path.exists(path)
    made = convert_here(path, creation=creation)
    assert predicted["diff"] == made["diff"]
    assert predicted["changed"] and made["changed"]
    status = os.stat(path)
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (pwd.getpwnam("nobody").pw_uid, 12, 0o2750)
    assert flags(path) & NOCOW
    assert not convert_here(path, creation=creation)["changed"]
    assert os.listdir(filesystem.path) == ["new"]


def test_a_directory_that_is_made_copy_on_write_does_not_inherit_nocow(filesystem):
    add_flags(filesystem.path, NOCOW)
    convert_here(f"{filesystem.path}/new", state="absent")
    assert not flags(f"{filesystem.path}/new") & NOCOW


def test_a_directory_whose_parent_is_missing_is_refused_and_check_mode_only_says_so(filesystem):
    path = f"{filesystem.path}/missing/new"
    assert "does not exist" in convert_here(path)["msg"]
    predicted = convert_here(path, check=True)
    assert predicted["changed"]
    assert "could not be checked" in predicted["unchecked"][0]


def test_nested_subvolumes_are_named_or_entered_and_read_only_ones_are_named(top):
    command("btrfs", "subvolume", "create", f"{top}/inner")
    write(f"{top}/inner/file", b"data")
    command("btrfs", "subvolume", "create", f"{top}/inner/innermost")
    write(f"{top}/inner/innermost/file", b"data")
    command("btrfs", "subvolume", "snapshot", "-r", f"{top}/inner", f"{top}/snapshot")

    result = convert_here(top)
    assert sorted(one["path"] for one in result["not_done"]) == [f"{top}/inner", f"{top}/snapshot"]
    assert not flags(f"{top}/inner/file") & NOCOW

    result = convert_here(top, subvolumes=True)
    assert [one["path"] for one in result["not_done"]] == [f"{top}/snapshot"]
    assert flags(f"{top}/inner/file") & flags(f"{top}/inner/innermost/file") & flags(f"{top}/inner") & NOCOW
    assert not convert_here(top, subvolumes=True)["changed"]


def test_what_is_mounted_in_the_tree_is_named_and_left_alone(filesystem, top):
    os.mkdir(f"{filesystem.path}/elsewhere")
    write(f"{filesystem.path}/elsewhere/file", b"data")
    write(f"{filesystem.path}/single", b"data")
    os.mkdir(f"{top}/bound")
    os.mkdir(f"{top}/memory")
    write(f"{top}/bound file", b"")
    command("mount", "--bind", f"{filesystem.path}/elsewhere", f"{top}/bound")
    command("mount", "--bind", f"{filesystem.path}/single", f"{top}/bound file")
    command("mount", "-t", "tmpfs", "none", f"{top}/memory")
    result = convert_here(top)
    assert sorted(one["path"] for one in result["not_done"]) == [f"{top}/bound", f"{top}/bound file", f"{top}/memory"]
    assert copy_on_write(f"{filesystem.path}/elsewhere") == [b"", b"file"]
    assert not flags(f"{filesystem.path}/single") & NOCOW


def test_a_mount_point_itself_can_be_converted(filesystem):
    write(f"{filesystem.path}/file", b"data")
    convert_here(filesystem.path)
    assert copy_on_write(filesystem.path) == []


def test_an_active_swap_file_is_nocow_already_and_is_left_alone(top):
    write(f"{top}/swap", b"")
    add_flags(f"{top}/swap", NOCOW)
    write(f"{top}/swap", os.urandom(1 << 20), 0o600)
    command("mkswap", f"{top}/swap")
    command("swapon", f"{top}/swap")
    try:
        result = convert_here(top)
        assert (result["files"], result["not_done_total"]) == ({"nocow": 1, "converted": 1, "cow": 0}, 0)
    finally:
        command("swapoff", f"{top}/swap")


def test_an_immutable_path_is_turned_and_immutable_again(filesystem, top):
    add_flags(top, IMMUTABLE)
    assert convert_here(top, accept=["immutable"])["changed"]
    assert copy_on_write(top) == []
    assert flags(top) & IMMUTABLE
    assert leftovers(filesystem.path) == []


def test_names_outside_keep_the_old_data_where_that_is_accepted(filesystem, top):
    os.link(f"{top}/file", f"{filesystem.path}/outside")
    convert_here(top, accept=["outside_links"])
    assert copy_on_write(top) == []
    assert not flags(f"{filesystem.path}/outside") & NOCOW
    with open(f"{filesystem.path}/outside", "rb") as stream:
        assert stream.read() == b"data" * 2000


def test_compression_goes_where_that_is_accepted(top):
    for path in (top, f"{top}/file"):
        command("btrfs", "property", "set", path, "compression", "zstd")
    convert_here(top, accept=["compressed"])
    assert copy_on_write(top) == []
    assert command("btrfs", "property", "get", top, "compression") == ""
    assert command("btrfs", "property", "get", f"{top}/file", "compression") == ""


def test_that_a_file_shall_not_be_compressed_is_no_obstacle(filesystem, top):
    filesystem.remount("compress=zstd")
    write(f"{top}/photo", os.urandom(1 << 20))
    command("sync", "-f", top)
    command("chattr", "+m", top)
    convert_here(top)
    assert copy_on_write(top) == []


def test_a_tree_of_more_than_fits_is_converted_batch_by_batch():
    """Fails where a full disk ends the run though the batch in hand would make room."""
    with Filesystem("300M", make=("--mixed",)) as filesystem:
        top = f"{filesystem.path}/top"
        os.mkdir(top)
        for number in range(7):
            write(f"{top}/{number}", os.urandom(25 << 20))
        before = manifest(top)
        result = convert_here(top)
        assert not result.get("failed"), result
        assert copy_on_write(top) == []
        assert differences(before, manifest(top)) == []


@pytest.fixture
def full_once(monkeypatch):
    """The disk is full when the third file is copied, and has room again when that is tried once more."""
    real, numbers = copying.Copier.copy, itertools.count(1)

    def copy(self, *given):
        if next(numbers) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(self, *given)

    monkeypatch.setattr(copying.Copier, "copy", copy)


def test_a_file_for_which_room_was_made_is_converted_too(top, full_once):
    """Fails where that file is added to the batch which was handed over to make room."""
    for number in range(5):
        write(f"{top}/{number}", b"data")
    assert convert_here(top)["files"]["converted"] == 6
    assert copy_on_write(top) == []


def test_a_write_that_failed_on_the_way_to_disk_is_not_taken_for_a_failure_of_the_file_at_hand(
    top, full_once, monkeypatch
):
    """Fails where the run goes on: the system tells it once, and what was lost then replaces what is whole."""
    for number in range(5):
        write(f"{top}/{number}", b"data")
    real = kernel.sync_filesystem

    def sync(descriptor):
        real(descriptor)
        # Not the thread that brings batches to disk.
        if threading.current_thread() is threading.main_thread():
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(kernel, "sync_filesystem", sync)
    assert "stopped: Input/output error" in convert_here(top)["msg"]
    assert leftovers(top) == []


def test_thousands_of_names_elsewhere_do_not_use_up_what_can_be_open(filesystem, top):
    """Fails where files whose other names lie elsewhere are not converted in batches, or each name opens its directory."""
    os.mkdir(f"{filesystem.path}/elsewhere")
    for number in range(200):
        write(f"{top}/{number}", b"data")
        os.link(f"{top}/{number}", f"{filesystem.path}/elsewhere/{number}")
        os.link(f"{top}/file", f"{top}/name-{number}")
    # A batch of five leaves room for some 150 descriptors.
    result = convert_here(top, accept=["outside_links"], files=5)
    assert (result["not_done"], copy_on_write(top)) == ([], [])


def test_an_empty_file_counts_once_for_each_of_its_names(top):
    write(f"{top}/empty", b"")
    for number in range(100):
        os.link(f"{top}/empty", f"{top}/name-{number}")
    assert counts(convert_here(top, check=True)) == counts(convert_here(top))


def test_not_even_the_access_time_of_the_path_itself_is_altered(filesystem, top):
    filesystem.remount("strictatime")
    before = [os.stat(path).st_atime_ns for path in (top, f"{top}/file")]
    convert_here(top, check=True)
    convert_here(f"{top}/file", check=True)
    nocow.inform(top, subvolumes=False, extents=True)
    assert [os.stat(path).st_atime_ns for path in (top, f"{top}/file")] == before


def test_without_root_what_cannot_be_made_again_is_named(filesystem, top):
    """Fails where another group or a sticky directory of another account ends the run."""
    uid = pwd.getpwnam("nobody").pw_uid
    os.chown(top, uid, uid)
    os.chown(f"{top}/file", uid, 4321)
    result = convert_as(uid, top)
    assert not result.get("failed"), result
    assert [one["reason"] for one in result["not_done"]] == ["its group is none of this account's"]
    shared = f"{filesystem.path}/shared"
    os.mkdir(shared)
    write(f"{shared}/own", b"data")
    os.chown(f"{shared}/own", uid, uid)
    os.chmod(shared, 0o1777)
    result = convert_as(uid, shared)
    assert not result.get("failed"), result
    assert {one["path"] for one in result["not_done"]} == {shared, f"{shared}/own"}


def test_without_root_a_parent_that_cannot_be_read_is_said_in_a_sentence(filesystem):
    os.mkdir(f"{filesystem.path}/closed", 0o711)
    os.chmod(filesystem.path, 0o755)
    uid = pwd.getpwnam("nobody").pw_uid
    for check in (True, False):
        assert "Permission denied" in convert_as(uid, f"{filesystem.path}/closed/new", check=check)["msg"]


def test_without_root_ones_own_files_are_turned_and_the_rest_is_named(filesystem, top):
    uid = pwd.getpwnam("nobody").pw_uid
    os.chown(top, uid, uid)
    for name in ("own", "others", "closed"):
        write(f"{top}/{name}", b"data")
    os.chown(f"{top}/own", uid, uid)
    os.chown(f"{top}/closed", uid, uid)
    os.chmod(f"{top}/closed", 0)
    os.mkdir(f"{top}/secret", 0o700)
    result = convert_as(uid, top)
    named = {one["path"]: one["remedy"] for one in result["not_done"]}
    assert set(named) == {f"{top}/file", f"{top}/others", f"{top}/closed", f"{top}/secret"}
    assert all("root" in remedy for remedy in named.values())
    assert flags(f"{top}/own") & NOCOW
    assert not flags(f"{top}/others") & NOCOW
    assert "Snapshots: unknown" in " ".join(result["costs"])
    assert leftovers(top) == []
