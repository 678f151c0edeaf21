# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Widget versions. Comparing versions as texts fails where 1.118 meets 1.84 and 3 meets 10."""

from __future__ import annotations

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils.errors import HomelabError
from ansible_collections.patriark.homelab.plugins.module_utils.homepage.widget_versions import ROWS
from ansible_collections.patriark.homelab.plugins.module_utils.homepage.widgets import version_for


@pytest.mark.parametrize(
    ("widget", "application", "homepage", "version"),
    [
        ("immich", "1.84.0", "", 1),
        ("immich", "1.117.9", "1.12.3", 1),
        ("immich", "1.118", "1.12.3", 2),
        ("immich", "v1.118.0-rc.1", "1.12.3", 2),
        ("immich", "v2.3.1", "v1.7.0", 2),
        ("immich", "3.0.3", "latest", 2),
        ("immich", "10.0", "sha-b2a52ff", 2),
        ("immich", "", "", 2),
        ("immich", "release", "0.9.10", None),
        ("immich", "2.3.1", "0.9.11", 2),
        ("immich", "2.3.1", "0.9.10", None),
        ("immich", "1.117.0", "0.9.10", 1),
        ("grafana", "10.4.19", "", 1),
        ("grafana", "11.0.0", "", 2),
        ("authentik", "2025.6.4", "", 1),
        ("authentik", "2025.8.0", "", 2),
        ("authentik", "2025.10.1", "1.4.5", None),
        ("beszel", "0.8.0", "", 1),
        ("beszel", "0.10.2", "", 2),
        ("komga", "2", "0.10.9", None),
        ("speedtest", "1.2.0", "", 1),
        ("speedtest", "1.12.0", "", 2),
        ("wgeasy", "14", "", 1),
        ("wgeasy", "15.1", "", 2),
    ],
)
def test_the_version_follows_both_the_application_and_homepage(widget, application, homepage, version):
    assert version_for(widget, application, homepage) == version


@pytest.mark.parametrize("widget", sorted({row.widget for row in ROWS}))
def test_every_widget_has_a_row_for_the_oldest_application_and_homepage(widget):
    assert version_for(widget, "0", "0.0.1") == 1


def test_every_row_has_a_source_of_its_own():
    assert len({row.source for row in ROWS}) == len(ROWS)
    assert all(row.source.startswith("https://") for row in ROWS)


def test_a_widget_that_is_not_in_the_table_is_refused_with_those_that_are():
    with pytest.raises(HomelabError, match="authentik, beszel"):
        version_for("plex", "1")
