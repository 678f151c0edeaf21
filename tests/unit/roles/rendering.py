# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders a role's templates as a play renders them: the role's defaults, its variables, and what an inventory says."""

from __future__ import annotations

import pathlib

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLES = pathlib.Path(__file__).resolve().parents[3] / "roles"

# The least that an inventory has to say.
NEUTRAL = {"homelab_user": "photos", "homelab_pool": "/mnt/pool", "homelab_domain": "example.org"}


def templar(role: str, inventory: dict[str, object]) -> Templar:
    loader = DataLoader()
    variables: dict[str, object] = {"ansible_managed": trust_as_template("Ansible managed")}
    for file in ("defaults/main.yml", "vars/main.yml"):
        variables |= loader.load_from_file(str(ROLES / role / file), trusted_as_template=True)
        if file.startswith("defaults"):
            variables |= inventory
    return Templar(loader, variables)


def render(role: str, **inventory: object) -> dict[str, str]:
    """Every template of the role by its path below templates/, without .j2."""
    folder = ROLES / role / "templates"
    renderer = templar(role, {**NEUTRAL, **inventory})
    texts = {}
    for path in sorted(folder.rglob("*.j2")):
        text = trust_as_template(path.read_text(encoding="utf-8"))
        texts[str(path.relative_to(folder))[: -len(".j2")]] = str(renderer.template(text, escape_backslashes=False))
    return texts
