# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which version of a widget fits which version of its application, and since which release Homepage has it. Data only.

The source names Homepage's page on the widget, and the change that brought the version. Version 1 was there before
Homepage 1.0, and is written out rather than left away: Homepage 1.12.3 no longer takes an absent version for 1.
"""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """``widget`` is the type in a tile, ``application`` the first version that it fits, ``homepage`` the first release with it."""

    widget: str
    version: int
    application: str
    homepage: str
    source: str


_DOCS = "https://gethomepage.dev/widgets/services/"
_CHANGE = "https://github.com/gethomepage/homepage/pull/"

ROWS = (
    Row("immich", 1, "0", "0", f"{_DOCS}immich/"),
    Row("immich", 2, "1.118", "0.9.11", f"{_DOCS}immich/ and {_CHANGE}4110"),
    Row("grafana", 1, "0", "0", f"{_DOCS}grafana/"),
    # The page says: above 10.4.
    Row("grafana", 2, "10.5", "1.4.0", f"{_DOCS}grafana/ and {_CHANGE}5476"),
    Row("authentik", 1, "0", "0", f"{_DOCS}authentik/"),
    Row("authentik", 2, "2025.8.0", "1.4.6", f"{_DOCS}authentik/ and {_CHANGE}5687"),
    Row("beszel", 1, "0", "0", f"{_DOCS}beszel/"),
    Row("beszel", 2, "0.9.0", "0.10.0", f"{_DOCS}beszel/ and {_CHANGE}4439"),
    # The page speaks of the version of Komga's API.
    Row("komga", 1, "0", "0", f"{_DOCS}komga/"),
    Row("komga", 2, "2", "1.0.0", f"{_DOCS}komga/ and {_CHANGE}4874"),
    # Of the two programs of this name, the one by alexjustesen; the other one stays with version 1.
    Row("speedtest", 1, "0", "0", f"{_DOCS}speedtest-tracker/"),
    Row("speedtest", 2, "1.2.1", "1.0.0", f"{_DOCS}speedtest-tracker/ and {_CHANGE}4695"),
    Row("wgeasy", 1, "0", "0", f"{_DOCS}wgeasy/"),
    Row("wgeasy", 2, "15", "1.3.1", f"{_DOCS}wgeasy/ and {_CHANGE}5343"),
)
