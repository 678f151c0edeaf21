# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A kill or an error at any system call that changes something: every file is whole, and the next run finishes.

The small size tries a sample of the calls (CHECK_SEED chooses it), the full size every one.
"""

from __future__ import annotations

import pytest
from ansible_collections.patriark.homelab.tests.loop_btrfs.convert import EVERYTHING, convert_here
from ansible_collections.patriark.homelab.tests.loop_btrfs.filesystem import Filesystem
from ansible_collections.patriark.homelab.tests.loop_btrfs.manifest import (
    copy_on_write,
    differences,
    leftovers,
    manifest,
)
from ansible_collections.patriark.homelab.tests.loop_btrfs.system_calls import calls, sample, struck

_OPTIONS = {"accept": EVERYTHING, "files": 25}


@pytest.fixture(scope="module")
def found(shelf, template):
    """Every mutating call of a conversion of the awkward tree."""
    image = f"{shelf}/counted"
    template.clone(image)
    with Filesystem(image=image, owner=shelf) as filesystem:
        counted = calls(f"{filesystem.path}/tree", f"{shelf}/calls", **_OPTIONS)
    assert len(counted) > 500
    return counted


def finished(tree, before, call):
    """The next run finishes, and nothing was lost on the way."""
    again = convert_here(tree, **_OPTIONS)
    assert not again.get("failed"), again
    assert differences(before, manifest(tree)) == [], call
    assert copy_on_write(tree) == [], call
    assert leftovers(tree) == [], call
    assert again["not_done_total"] == 1, again["not_done"]  # the subvolume
    assert not convert_here(tree, **_OPTIONS)["changed"]


def test_a_kill_at_any_call_leaves_every_file_whole_and_the_next_run_finishes(
    fresh, found, chance, full, record_property
):
    """Fails where the staging directory is simply removed at the start: immutable flags and directory times are lost."""
    tried = found if full else sample(found, chance, 32)
    record_property("kills", len(tried))
    record_property("calls", len(found))
    for call in tried:
        with fresh() as filesystem:
            tree = f"{filesystem.path}/tree"
            before, meanwhile = manifest(tree), manifest(tree, ended=False)
            struck(tree, call, "signal=KILL", **_OPTIONS)
            assert differences(meanwhile, manifest(tree, ended=False)) == [], call
            finished(tree, before, call)


@pytest.mark.parametrize("error", ["ENOSPC", "EIO", "EROFS"])
def test_an_error_at_any_call_is_said_cleared_up_and_the_next_run_finishes(
    fresh, found, chance, full, error, record_property
):
    """Fails where the copy at hand is not removed when the write of it fails."""
    tried = found if full else sample(found, chance, 16)
    record_property("errors", len(tried))
    record_property("calls", len(found))
    for call in tried:
        with fresh() as filesystem:
            tree = f"{filesystem.path}/tree"
            before, meanwhile = manifest(tree), manifest(tree, ended=False)
            result = struck(tree, call, f"error={error}", **_OPTIONS)
            assert result.get("failed") or result["not_done_total"] or not copy_on_write(tree), (call, result)
            assert differences(meanwhile, manifest(tree, ended=False)) == [], call
            if call[0] not in ("unlinkat", "utimensat", "fremovexattr"):
                assert leftovers(tree) == [], (call, result)
            finished(tree, before, call)
