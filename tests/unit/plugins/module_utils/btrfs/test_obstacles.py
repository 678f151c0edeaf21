# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps a file from being converted, and what is said of it."""

from __future__ import annotations

import os

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils.btrfs import kernel
from ansible_collections.patriark.homelab.plugins.module_utils.btrfs.obstacles import (
    OBSTACLES,
    REFUSALS,
    NotDone,
    Wish,
    obstacle,
)


@pytest.mark.parametrize(
    ("flags", "accept", "expected"),
    [
        (0, (), None),
        (kernel.NOT_COMPRESSED_FLAG, (), None),
        (kernel.COMPRESSED_FLAG, (), "compressed"),
        (kernel.COMPRESSED_FLAG, ("compressed",), None),
        (kernel.IMMUTABLE_FLAG, (), "immutable"),
        (kernel.APPEND_FLAG, ("compressed",), "immutable"),
        (kernel.VERITY_FLAG, ("compressed", "immutable"), "verity"),
    ],
)
def test_flags_are_judged(flags, accept, expected):
    assert obstacle(flags, Wish(accept=frozenset(accept))) == expected


def test_what_only_root_can_take_off_is_left_out_without_root(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert obstacle(kernel.IMMUTABLE_FLAG, Wish(accept=frozenset({"immutable"}))) == "held_for_root"
    assert "held_for_root" not in REFUSALS


def test_compression_is_no_obstacle_on_the_way_back():
    assert obstacle(kernel.COMPRESSED_FLAG, Wish(nocow=False)) is None


def test_every_refusal_has_its_words():
    assert set(REFUSALS) <= set(OBSTACLES)


def test_the_list_of_what_is_left_out_is_bounded_and_its_number_is_not():
    noted = NotDone()
    for number in range(150):
        noted.obstacle(f"/{number}", "mount")
    assert (len(noted.listed), noted.total) == (100, 150)
    more = NotDone()
    more.merge(noted)
    more.merge(noted)
    assert (len(more.listed), more.total) == (100, 300)
