# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What mends Immich's tile in a hand-kept file, and which pings are told.

Looking for tiles by their name alone, or writing a version that is there already as a text, fails here.
"""

from __future__ import annotations

import textwrap
from typing import Any

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils.report import homepage

MONITOR = "http://immich-server:2283/api/server/ping"


def look(tile: str, immich: str | None = "2.3.1", release: str = "1.7.0") -> homepage.Looked:
    return homepage.look("services.yaml", "- Media:\n" + textwrap.indent(textwrap.dedent(tile), "    "), immich, release)


WIDGET = """\
- Pictures:
    widget:
      type: immich
      url: http://immich-server:2283/
      key: {{HOMEPAGE_VAR_KEY}}
"""


@pytest.mark.parametrize(
    ("tile", "immich", "release", "wanted", "unset"),
    [
        (WIDGET, "2.3.1", "1.7.0", {"widget": {"version": 2}}, []),
        (WIDGET, "1.117.0", "1.12.3", {"widget": {"version": 1}}, []),
        (WIDGET, "2.3.1", "0.9.10", {"siteMonitor": MONITOR}, ["widget"]),
        (WIDGET + "    ping: http://immich-server:2283/api/server/ping\n", "2.3.1", "1.7.0", {"widget": {"version": 2}, "siteMonitor": MONITOR}, ["ping"]),
        ("- Immich:\n    ping: http://me:secret@immich-server:2283/api\n", "2.3.1", "1.7.0", {"siteMonitor": MONITOR}, ["ping"]),
        ("- Immich:\n    ping: http://immich-server:2283/x\n    siteMonitor: https://photos.example.org\n", "2.3.1", "1.7.0", {}, ["ping"]),
    ],
)
def test_a_broken_tile_is_mended(tile: str, immich: str, release: str, wanted: dict[str, Any], unset: list[str]) -> None:
    (mended,) = look(tile, immich, release).mended
    assert (mended.group, mended.set, mended.unset) == ("Media", wanted, unset)
    assert "secret" not in str(look(tile, immich, release))


@pytest.mark.parametrize(
    "tile",
    [
        WIDGET + "      version: 2\n",
        WIDGET + '      version: "2"\n',
        "- Immich:\n    href: https://photos.example.org\n",
        f"- Immich:\n    siteMonitor: {MONITOR}\n",
        "- Other:\n    widget: {type: jellyfin}\n",
        "- Immich:\n    widgets:\n",
        "- Immich:\n    widgets: true\n",
        "- Immich:\n    widget: [immich]\n",
    ],
)
def test_a_tile_that_works_is_left_as_it_is(tile: str) -> None:
    assert look(tile) == homepage.Looked([], [], [])


def test_every_other_ping_with_a_url_is_told_and_no_url_with_it() -> None:
    tile = "- Inner:\n    - Radio: {ping: 'http://me:secret@radio:8000/status'}\n    - Host: {ping: radio.example.org}\n"
    (finding,) = look(tile).findings
    assert finding.line == 3
    assert '"Radio" of "Media / Inner"' in finding.what
    assert "secret" not in str(finding)


def test_a_host_without_immich_has_its_pings_told_alone() -> None:
    looked = look("- Immich:\n    ping: http://immich-server:2283/api\n", immich=None)
    assert looked.mended == []
    assert len(looked.findings) == 1


def test_a_list_of_widgets_is_told_and_not_touched() -> None:
    looked = look("- Photos:\n    widgets:\n      - type: immich\n        url: http://immich-server:2283\n        key: secret\n")
    assert looked.mended == []
    assert "secret" not in str(looked.findings) and looked.findings[0].fits == "version: 2"
