# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What references mean. Comparing tags as texts takes v1.9 for newer than v1.10."""

from __future__ import annotations

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils.quadlet import image_reference

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"ghcr.io/a/b@{DIGEST}", "digest"),
        (f"ghcr.io/a/b:v1@{DIGEST}", "tag_and_digest"),
        ("ghcr.io/immich-app/immich-server:v2.3.1", "exact"),
        ("docker.io/owncloud/ocis:7.1.3", "exact"),
        ("docker.io/a/b:2024.10.0-ls5", "exact"),
        ("docker.io/a/b:2024-10-31", "exact"),
        ("docker.io/library/traefik:v3.7", "minor"),
        ("docker.io/valkey/valkey:8-bookworm", "major"),
        ("docker.io/a/b:release", "word"),
        ("docker.io/a/b:latest", "latest"),
        ("localhost:5000/a/b", "untagged"),
        ("alpine", "untagged"),
        ("docker.io/a/b:${TAG}", "variable"),
        ("docker.io/a/%i:1.2.3", "variable"),
        ("app.image", "unit_reference"),
        ("app.build", "unit_reference"),
    ],
)
def test_kind(text: str, kind: str) -> None:
    assert image_reference.kind(text) == kind


@pytest.mark.parametrize(
    ("before", "after", "direction"),
    [
        ("a.b/c:v1.9.0", "a.b/c:v1.10.0", "upgrade"),
        ("a.b/c:v1.10.0", "a.b/c:v1.9.9", "downgrade"),
        ("a.b/c:7.1.3", "a.b/c:7.1.3", "same"),
        ("docker.io/traefik:3.7.1", "docker.io/library/traefik:3.7.1", "same"),
        ("a.b/c:1.0.0", f"a.b/c:1.0.0@{DIGEST}", "digest_only"),
        ("a.b/c:1.0.0", "a.b/c:v1.1.0", "unknown"),
        ("a.b/c:1.0.0", "a.b/c:1.0", "unknown"),
        ("a.b/c:release", "a.b/c:v1.1.0", "unknown"),
        ("a.b/c:1.0.0", f"a.b/c@{DIGEST}", "unknown"),
        ("a.b/c:1.0.0", "a.b/d:1.1.0", "unknown"),
        ("c:1.0.0", "a.b/c:1.1.0", "unknown"),
        ("a.b/c:1.01", "a.b/c:1.1", "unknown"),
        (None, "a.b/c:1.1.0", "unknown"),
    ],
)
def test_direction(before: str | None, after: str, direction: str) -> None:
    assert image_reference.direction(before, after) == direction


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("docker.io/traefik", "docker.io/library/traefik:latest"),
        (f"a.b/c:1@{DIGEST}", f"a.b/c@{DIGEST}"),
        ("short:1", "short:1"),
    ],
)
def test_the_name_that_podman_keeps(text: str, stored: str) -> None:
    assert image_reference.as_stored(text) == stored


def test_repository_of_what_is_not_wholly_known() -> None:
    assert image_reference.repository("docker://ghcr.io/a/b:${V:-1}") == "ghcr.io/a/b"
    assert image_reference.repository("localhost:5000/a") == "localhost:5000/a"
    assert image_reference.repository("alpine:3") is None
