# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths below the base."""

from __future__ import annotations

from ansible_collections.patriark.homelab.plugins.module_utils.btrfs.walk import Tree, join


def test_a_path_below_the_base():
    tree = Tree(-1, "/mnt/pool", top="data")
    assert tree.shown("") == "/mnt/pool"
    assert tree.shown(join("data", "file")) == "/mnt/pool/data/file"
    assert join("", "file") == "file"
