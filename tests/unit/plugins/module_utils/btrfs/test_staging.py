# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of a batch."""

from __future__ import annotations

from ansible_collections.patriark.homelab.plugins.module_utils.btrfs.staging import Entry


def test_each_name_of_a_file_has_its_own_in_the_staging_directory():
    entry = Entry("7.copy", 1, 2, 3, 4, 0, ["a", "b"])
    assert entry.staged_names() == ["7.copy.0", "7.copy.1"]
    assert Entry("7.copy", 1, 2, 3, 4, 0, ["a"]).staged_names() == ["7.copy"]
