# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What btrfs_nocow_info says, and that it only looks."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import time

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils.btrfs import kernel, survey
from ansible_collections.patriark.homelab.plugins.module_utils.btrfs.nocow import inform
from ansible_collections.patriark.homelab.plugins.module_utils.errors import HomelabError
from ansible_collections.patriark.homelab.tests.loop_btrfs.convert import convert_here
from ansible_collections.patriark.homelab.tests.loop_btrfs.filesystem import command
from ansible_collections.patriark.homelab.tests.loop_btrfs.manifest import differences, manifest
from ansible_collections.patriark.homelab.tests.loop_btrfs.trees import awkward_tree, write


def test_it_counts_and_names_and_alters_nothing(filesystem):
    tree = f"{filesystem.path}/tree"
    awkward_tree(tree)
    before = manifest(tree)
    said = inform(tree, subvolumes=False, extents=True)
    assert differences(before, manifest(tree)) == []
    assert said["files"] == {"nocow": 1, "converted": 0, "cow": 91}
    assert said["directories"] == {"nocow": 0, "converted": 0, "cow": 8}
    assert said["extents"]["cow"] >= 70
    assert (said["snapshots"], said["mirrored_profile"]) == (0, "")
    named = {one["path"] for one in said["not_done"]}
    assert {f"{tree}/held", f"{tree}/special/compressed", f"{tree}/subvolume"} <= named


def test_it_names_who_stands_in_the_way_without_refusing(top):
    with open(f"{top}/file", "ab"):
        said = inform(top, subvolumes=False, extents=False)
    assert [one["path"] for one in said["not_done"]] == [f"{top}/file"]
    assert said["extents"] is None


def test_it_looks_into_subvolumes_where_that_is_wanted(top):
    command("btrfs", "subvolume", "create", f"{top}/inner")
    write(f"{top}/inner/file", b"data")
    assert inform(top, subvolumes=False, extents=False)["files"]["cow"] == 1
    assert inform(top, subvolumes=True, extents=False)["files"]["cow"] == 2


def test_it_agrees_with_the_conversion(top):
    convert_here(top)
    said = inform(top, subvolumes=False, extents=True)
    assert said["files"] == {"nocow": 1, "converted": 0, "cow": 0}
    assert said["extents"] == {"nocow": 1, "cow": 0}


def test_who_waits_for_a_reader_of_a_pipe_goes_on_waiting(top):
    os.mkfifo(f"{top}/pipe")
    waiting = subprocess.Popen(["sh", "-c", f"echo > '{top}/pipe'"])
    try:
        for _look in range(20):
            inform(top, subvolumes=False, extents=True)
            assert waiting.poll() is None
            time.sleep(0.02)
    finally:
        waiting.kill()
        waiting.wait()


def test_of_a_subvolume_without_a_uuid_no_snapshots_are_made_up(top, monkeypatch):
    """Fails where every subvolume that is no snapshot counts as one of it: its parent has the same UUID, none."""
    real = kernel.subvolume
    command("btrfs", "subvolume", "create", f"{top}/inner")
    monkeypatch.setattr(kernel, "subvolume", lambda descriptor: dataclasses.replace(real(descriptor), uuid=bytes(16)))
    said = inform(top, subvolumes=False, extents=False)
    assert said["snapshots"] is None
    assert "no UUID" in " ".join(said["costs"])


def test_another_file_system_is_an_error_that_says_so(tmp_path):
    with pytest.raises(HomelabError, match="not on a Btrfs"):
        inform(str(tmp_path), subvolumes=False, extents=False)
    with pytest.raises(HomelabError, match="No such file"):
        inform(os.fspath(tmp_path / "missing"), subvolumes=False, extents=False)


# A naive sharing by directories counts the room of a hard-linked file once in every process, and takes its names for names elsewhere.
@pytest.mark.parametrize("killed", [False, True])
def test_processes_that_share_a_tree_see_what_one_sees(filesystem, monkeypatch, killed):
    tree = f"{filesystem.path}/tree"
    awkward_tree(tree)
    for number in range(8):
        os.mkdir(f"{tree}/shared{number}")
        write(f"{tree}/shared{number}/file", b"data")
        os.link(f"{tree}/shared0/file", f"{tree}/shared{number}/link")
    here, look = os.getpid(), survey._Surveyor._look_at
    if killed:
        monkeypatch.setattr(
            survey._Surveyor, "_look_at", lambda *given: look(*given) if os.getpid() == here else os._exit(9)
        )
    monkeypatch.setattr(survey, "how_many", lambda: 3)
    seen = []
    for large in (1 << 30, 1):
        monkeypatch.setattr(survey, "_LARGE", large)
        said = inform(tree, subvolumes=True, extents=True)
        said["not_done"].sort(key=lambda one: one["path"])
        seen.append(said)
    assert seen[0] == seen[1]
    assert not [one for one in seen[1]["not_done"] if "shared" in one["path"]]
