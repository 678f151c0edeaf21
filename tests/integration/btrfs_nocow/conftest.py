# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""File systems to convert on."""

from __future__ import annotations

import os

import pytest
from ansible_collections.patriark.homelab.tests.loop_btrfs.filesystem import Filesystem


@pytest.fixture
def filesystem():
    """An empty Btrfs of its own."""
    with Filesystem("300M") as mounted:
        os.chmod(os.path.dirname(mounted.path), 0o755)
        yield mounted


@pytest.fixture
def top(filesystem):
    """A directory on it with one file that holds data."""
    path = f"{filesystem.path}/top"
    os.mkdir(path)
    with open(f"{path}/file", "wb") as stream:
        stream.write(b"data" * 2000)
    return path
