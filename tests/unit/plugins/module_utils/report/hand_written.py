# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units in a folder of their own, read as the generator of Debian 13 reads them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.patriark.homelab.plugins.module_utils.podman import Container
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.conversion import Units
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.rules import rules_of
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.search_path import plain_bases, scan
from ansible_collections.patriark.homelab.plugins.module_utils.report.applications import Application, find

HOME = "/home/photos"


def read(folder: Path, files: Mapping[str, str]) -> Units:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return Units(scan(plain_bases([str(folder)]), rules_of((5, 4, 2))))


def found(folder: Path, files: Mapping[str, str], *containers: Container) -> dict[str, list[Application]]:
    return find(read(folder, files), {one.unit: [one] for one in containers}, HOME)


def container(service: str, image: str, mounts: tuple[str, ...] = (), image_id: str = "1") -> Container:
    return Container(service, f"{service}.service", image, image_id, "healthy", (), 100, mounts)
