# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run says."""

from __future__ import annotations

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils.btrfs import result
from ansible_collections.patriark.homelab.plugins.module_utils.btrfs.looking import Found
from ansible_collections.patriark.homelab.plugins.module_utils.btrfs.obstacles import Wish
from ansible_collections.patriark.homelab.plugins.module_utils.btrfs.survey import Survey
from ansible_collections.patriark.homelab.plugins.module_utils.btrfs.walk import Count, Tree


@pytest.mark.parametrize("state", [True, False])
def test_what_could_not_be_turned_stays_what_it_was(state):
    counted = result._count(Count(nocow=1, converted=10, cow=2), 7, Wish(nocow=state))
    assert counted == ({"nocow": 1, "converted": 7, "cow": 5} if state else {"nocow": 4, "converted": 7, "cow": 2})


def test_the_difference_is_in_lines_a_person_reads():
    found = Found([Tree(-1, "/mnt/pool", "data")])
    counts = {kind: {"nocow": 1, "converted": 2, "cow": 3} for kind in ("directories", "files", "bytes")}
    shown = result._difference(found, Wish(), counts)
    assert shown["before_header"] == "/mnt/pool/data"
    assert shown["before"].splitlines()[1] == "files: 1 NOCOW, 5 copy-on-write"
    assert shown["after"].splitlines()[1] == "files: 3 NOCOW, 3 copy-on-write"


def test_what_snapshots_there_are_is_unknown_without_root():
    found = Found([Tree(-1, "/mnt/pool")], Survey(), snapshots=None, mirrored="")
    assert any(cost.startswith("Snapshots: unknown") for cost in result._costs(found, Wish()))


def test_of_a_place_that_could_not_be_looked_at_nothing_is_said():
    found = Found([Tree(-1, "/mnt/pool")])
    assert not any("mirror" in cost or "napshot" in cost for cost in result._costs(found, Wish()))


def test_files_that_others_made_meanwhile_do_not_count_below_zero():
    assert result._count(Count(converted=2), 3, Wish())["cow"] == 0
