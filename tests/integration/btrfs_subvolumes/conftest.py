# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Btrfs of one's own for each test: a file, mounted through a loop device. It needs root and btrfs-progs."""

from __future__ import annotations

import pathlib
import subprocess
import tempfile

import pytest


@pytest.fixture
def pool(tmp_path):
    image = tmp_path / "pool.img"
    with image.open("wb") as file:
        file.truncate(256 << 20)
    subprocess.run(["mkfs.btrfs", "--quiet", image], check=True)
    # Where every account may look, unlike pytest's own directories.
    path = tempfile.mkdtemp()
    subprocess.run(["mount", "-o", "loop", image, path], check=True)
    pathlib.Path(path).chmod(0o755)
    yield path
    subprocess.run(["umount", "--recursive", path], check=True)
    pathlib.Path(path).rmdir()
