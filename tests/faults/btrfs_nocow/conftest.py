# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much is tried, with what dice, and file systems to try it on."""

from __future__ import annotations

import os
import random

import pytest
from ansible_collections.patriark.homelab.tests.loop_btrfs.filesystem import Filesystem
from ansible_collections.patriark.homelab.tests.loop_btrfs.trees import awkward_tree


@pytest.fixture(scope="session")
def full():
    """Whether everything is tried (CHECK_SIZE=full) or a sample."""
    return os.environ.get("CHECK_SIZE", "small") == "full"


@pytest.fixture
def chance(request):
    """Dice that fall alike for the same CHECK_SEED, each test having its own."""
    return random.Random(f"{os.environ.get('CHECK_SEED', '1')} {request.node.name}")


@pytest.fixture(scope="session")
def shelf():
    """A Btrfs for images, so that they can be cloned."""
    with Filesystem("12G") as shelf:
        yield shelf.path


@pytest.fixture(scope="session")
def template(shelf):
    """The image of a file system that holds the awkward tree."""
    with Filesystem("600M", owner=shelf) as filesystem:
        awkward_tree(f"{filesystem.path}/tree")
        filesystem.unmount()
        yield filesystem


@pytest.fixture
def fresh(shelf, template):
    """Makes file systems that hold the awkward tree, each a new one."""

    def mounted():
        image = f"{shelf}/fresh"
        template.clone(image)
        return Filesystem(image=image, owner=shelf)

    return mounted
