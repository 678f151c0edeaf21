# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which paths are refused, and what a new directory is like."""

from __future__ import annotations

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils.btrfs import target
from ansible_collections.patriark.homelab.plugins.module_utils.errors import HomelabError


@pytest.mark.parametrize("path", ["/", "/etc", "/usr/local/lib", "/var", "/var/lib", "/home", "/mnt", "/boot/efi"])
def test_the_systems_own_paths(path):
    assert target.is_system_path(path)


@pytest.mark.parametrize("path", ["/mnt/pool", "/home/photos/data", "/var/lib/postgresql", "/srv/data", "/etcetera"])
def test_paths_for_data(path):
    assert not target.is_system_path(path)


def test_owner_group_and_mode_of_a_new_directory():
    assert target.Creation("0", "0", "2750").ids() == (0, 0)
    assert target.Creation().ids() == (-1, -1)
    assert target.Creation(mode="2750").bits() == 0o2750
    assert target.Creation().bits() == 0o755
    for mode in ("rwx", "99", "777777"):
        with pytest.raises(HomelabError, match="octal"):
            target.Creation(mode=mode).bits()
    with pytest.raises(HomelabError, match="no-such-account"):
        target.Creation(owner="no-such-account").ids()
