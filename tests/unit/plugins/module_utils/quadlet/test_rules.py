# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions of Podman whose rules nobody has compared with its generator are refused, by whatever asks for rules."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils.errors import HomelabError
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet import image_info, rules, unit_key
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.deployment import deploy


def host_with(version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "quadlet"
    program.write_text(f"#!/bin/sh\necho {version}\n")
    program.chmod(0o755)
    monkeypatch.setattr(rules, "GENERATORS", [str(program)])


def test_a_podman_that_is_too_old_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host_with("5.3.1", tmp_path, monkeypatch)
    sentence = r"Podman 5\.3\.1 is on this host, and 5\.4 or newer is needed\. Update it"
    with pytest.raises(HomelabError, match=sentence):
        image_info.look(None, None, [str(tmp_path)], ["*"], False)
    with pytest.raises(HomelabError, match=sentence):
        unit_key.ensure("a.container", None, "Pull", [], "absent", None, None, [str(tmp_path)], "edit", False)
    assert deploy.too_old((5, 3, 1)) == rules.too_old((5, 3, 1))


def test_others_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host_with("5.4.0", tmp_path, monkeypatch)
    assert rules.host_rules().version == (5, 4, 0)
    monkeypatch.setattr(rules, "GENERATORS", [])
    assert rules.host_rules().version == (5, 4, 2), "where there is no Podman yet"
