# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which version of a widget a tile needs."""

from __future__ import annotations

import re

from ..errors import HomelabError
from .widget_versions import ROWS


def version_for(widget: str, application: str, homepage: str = "") -> int | None:
    """The widget's version for this version of its application; None where this Homepage has none that fits.

    A version that is not known, such as an empty one or the tag latest, counts as the newest.
    """
    rows = [row for row in ROWS if row.widget == widget]
    if not rows:
        known = ", ".join(sorted({row.widget for row in ROWS}))
        raise HomelabError(f"Nothing is known of the versions of the widget {widget}: give one of {known}, or the version itself.")
    running = _numbers(application)
    fitting = [row for row in rows if not running or _numbers(row.application) <= running][-1]
    release = _numbers(homepage)
    return None if release and release < _numbers(fitting.homepage) else fitting.version


def _numbers(version: str) -> tuple[int, ...]:
    """1.118 and v1.118.0 are one version; empty where the text is not a version."""
    match = re.match(r"v?(\d+(?:\.\d+)*)(?![\w.])", version.strip())
    numbers = [int(part) for part in match[1].split(".")] if match else []
    while numbers[1:] and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)
