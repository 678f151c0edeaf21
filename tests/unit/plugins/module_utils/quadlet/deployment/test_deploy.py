# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of what is done to a host. What a killed run has not done yet, the next one has to be able to see."""

from __future__ import annotations

from ansible_collections.patriark.homelab.plugins.module_utils.account import current
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.deployment import deploy
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.deployment.plan import Plan, Step
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.deployment.request import Request
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.deployment.seen import no_account
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet.generator import unknown


def test_a_unit_that_leaves_is_forgotten_before_its_file_goes(monkeypatch):
    """Its file is all by which a later run knows of it, so that one killed in between would leave it failed for ever."""
    done = []
    for name in ("stop", "reset_failed"):
        monkeypatch.setattr(deploy.systemd, name, lambda services, name=name: done.append((name, *services)))
    monkeypatch.setattr(deploy.systemd, "reload", lambda: done.append(("reload",)))
    monkeypatch.setattr(deploy.own_files, "write", lambda *_all: done.append(("write",)))
    monkeypatch.setattr(deploy.podman, "remove_unused_networks", lambda names: None)
    gone, stays = (unknown(f"/units/{name}.container")._replace(name=f"{name}.service") for name in ("gone", "stays"))
    request = Request("toy", "stopped", "/units", {}, {}, {}, "missing", True, 1.0)
    plan = Plan([], [], [Step(gone, "remove", ""), Step(stays, "stop", "")], True)
    deploy._apply(request, current(), no_account(request, ""), plan)
    assert done == [
        ("stop", "gone.service"),
        ("reset_failed", "gone.service"),
        ("write",),
        ("reload",),
        ("stop", "stays.service"),
        ("reset_failed", "stays.service"),
    ]
