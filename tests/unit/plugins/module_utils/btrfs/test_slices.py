# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Joining the results of slices, and the line between them."""

from __future__ import annotations

from ansible_collections.patriark.homelab.plugins.module_utils.btrfs.slices import KEPT, joined, progress


def result(nocow, converted, cow, seconds=2.0, not_done=(), total=None, why="why"):
    """What one call returned."""
    count = {"nocow": nocow, "converted": converted, "cow": cow}
    return {
        "changed": bool(converted),
        "directories": {"nocow": 0, "converted": 0, "cow": 0},
        "files": count,
        "bytes": {name: number * 1024 for name, number in count.items()},
        "seconds": seconds,
        "bytes_per_second": 0,
        "extents_before": converted * 3,
        "extents_after": converted,
        "not_done": [{"path": path, "reason": why, "remedy": "what"} for path in not_done],
        "not_done_total": len(not_done) if total is None else total,
        "diff": {"before": f"{nocow} {cow + converted}", "after": f"{nocow + converted} {cow}"},
    }


def test_one_result_stays_what_it_is():
    assert joined(None, result(1, 2, 3)) == result(1, 2, 3)


def test_what_one_slice_turned_and_the_next_finds_is_counted_once():
    both = joined(result(5, 10, 20), result(15, 18, 2))
    assert both["files"] == {"nocow": 5, "converted": 28, "cow": 2}
    assert both["bytes"]["converted"] == 28 * 1024
    assert (both["seconds"], both["extents_before"], both["extents_after"]) == (4.0, 84, 28)
    assert both["bytes_per_second"] == 28 * 1024 // 4
    assert both["diff"] == {"before": "5 30", "after": "33 2"}


def test_when_turned_back_the_copy_on_write_ones_are_those_of_the_first_slice():
    assert joined(result(20, 10, 5), result(2, 18, 15))["files"] == {"nocow": 2, "converted": 28, "cow": 5}


def test_a_last_slice_without_work_keeps_the_change_of_the_ones_before():
    both = joined(result(0, 10, 0), result(10, 0, 0, seconds=0.0))
    assert both["changed"]
    assert both["files"] == {"nocow": 0, "converted": 10, "cow": 0}


def test_what_was_left_out_and_then_converted_is_no_longer_named():
    both = joined(result(0, 1, 2, not_done=["done since", "still"]), result(1, 2, 0, not_done=["still"], total=300))
    assert [one["path"] for one in both["not_done"]] == ["still"]
    assert both["not_done_total"] == 300


def test_what_happened_once_stays_named():
    both = joined(result(0, 1, 2, not_done=["a"], why=f"replaced; {KEPT} a.kept-1"), result(1, 2, 0, not_done=["still"]))
    assert [one["path"] for one in both["not_done"]] == ["a", "still"]
    assert both["not_done_total"] == 2


def test_the_list_stays_bounded():
    first = result(0, 1, 2, not_done=[f"a{number}" for number in range(100)], why=KEPT)
    assert len(joined(first, result(0, 1, 2, not_done=[f"b{number}" for number in range(100)]))["not_done"]) == 100


def test_a_call_that_fails_before_it_looks_keeps_the_numbers():
    both = joined(result(0, 10, 0), {"failed": True, "msg": "refused"})
    assert both["failed"]
    assert both["changed"]
    assert both["files"]["converted"] == 10


def test_the_line_tells_files_bytes_rate_and_the_time_left():
    done = result(0, 1000, 3000, seconds=20.0)
    done["bytes_per_second"] = 51200
    assert (
        progress(done, {"files": 3000, "bytes": 3000 * 1024})
        == "1000 of 4000 files, 1000.0 KiB of 3.9 MiB, 50.0 KiB/s, about 60 seconds left"
    )


def test_the_time_left_is_that_of_what_is_slower():
    done = result(0, 1000, 0, seconds=10.0)
    assert progress(done, {"files": 1, "bytes": 1024 * 100_000}).endswith("about 17 minutes left")
    assert progress(done, {"files": 10_000_000, "bytes": 0}).endswith("about 27.8 hours left")


def test_nothing_done_yet_is_no_division_by_nothing():
    assert progress(result(0, 0, 0, seconds=0.0), {"files": 0, "bytes": 0}).startswith("0 of 0 files, 0 B of 0 B")
