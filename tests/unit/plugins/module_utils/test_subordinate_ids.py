# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ids that an account's containers may use."""

from __future__ import annotations

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils import subordinate_ids

SUBUID = "other:100000:65536\nphotos:165536:65536\n# nobody:1:2\n1000:500000:10\nphotos:900000:100\nbroken:x:1\n"


def test_lines_that_name_the_account_win_over_its_number():
    assert subordinate_ids.ranges(SUBUID, "photos", 1000) == [(165536, 65536), (900000, 100)]
    assert subordinate_ids.ranges(SUBUID, "renamed", 1000) == [(500000, 10)]
    assert subordinate_ids.ranges(SUBUID, "nobody", 65534) == []


@pytest.mark.parametrize(
    ("inside", "outside"),
    [(0, 1000), (1, 165536), (999, 166534), (65536, 231071), (65537, 900000), (65636, 900099), (65637, None), (-1, None)],
)
def test_ids_are_counted_through_the_ranges(inside, outside):
    """Adding the id to the first range's start is off by one, and wrong from the second range on."""
    assert subordinate_ids.outside(inside, 1000, [(165536, 65536), (900000, 100)]) == outside


def test_the_next_free_id_lies_above_all_of_both_files():
    assert subordinate_ids.next_free("", "") == 100000
    assert subordinate_ids.next_free("a:10:5\n", "") == 100000
    assert subordinate_ids.next_free(SUBUID, "z:2000000:65536\n") == 2065536
