# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that are left alone before anything on them is read."""

from __future__ import annotations

import shutil
from typing import Any

from ansible_collections.patriark.homelab.plugins.module_utils.report import look


def test_podman_before_5_4_is_left_alone_with_one_sentence(monkeypatch: Any) -> None:
    """Fails where the rules of older versions, which nobody knows here, are refused only when units are read."""
    monkeypatch.setattr(shutil, "which", lambda program: f"/usr/bin/{program}")
    monkeypatch.setattr(look, "found_version", lambda: (4, 9, 3))
    found = look.look(None, "user", "")
    assert found["not_understood"].startswith("Podman 4.9.3 is on this host, and 5.4 or newer is needed.")
