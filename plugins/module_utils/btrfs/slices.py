# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The results of a conversion that was called several times, made one result and a line on how far it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# What happened once and a later call cannot see again; the rest of what was left out it tries or looks at once more.
KEPT = "what it was before is kept as"
PARTED = "it and its hard links were parted by an interrupted run, and both halves were written to since"

_LISTED = 100
_COUNTED = ("directories", "files", "bytes")
_SUMMED = ("seconds", "extents_before", "extents_after")


def joined(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> dict[str, Any]:
    """What one call that did the work of both would have returned."""
    if before is None or "files" not in now:
        # A call that failed before it could look has no numbers, and then those of the calls before it stand.
        return {**(before or {}), **now}
    result = {**now, "changed": before["changed"] or now["changed"]}
    for kind in _COUNTED:
        converted = before[kind]["converted"] + now[kind]["converted"]
        # What an earlier call turned has become what a later one finds.
        result[kind] = {
            "nocow": min(before[kind]["nocow"], now[kind]["nocow"]),
            "converted": converted,
            "cow": min(before[kind]["cow"], now[kind]["cow"]),
        }
    for name in _SUMMED:
        result[name] = before[name] + now[name]
    result["seconds"] = round(result["seconds"], 3)
    result["bytes_per_second"] = int(result["bytes"]["converted"] / result["seconds"]) if result["seconds"] else 0
    earlier = [one for one in before["not_done"] if KEPT in one["reason"] or PARTED in one["reason"]]
    result["not_done"] = (earlier + now["not_done"])[:_LISTED]
    result["not_done_total"] = len(earlier) + now["not_done_total"]
    if "diff" in before and "diff" in now:
        result["diff"] = {**now["diff"], "before": before["diff"]["before"]}
    return result


def _amount(size: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    if seconds < 5400:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours"


def progress(result: Mapping[str, Any], left: Mapping[str, int]) -> str:
    """How far a conversion is: files, bytes, rate, time left."""
    files, size, seconds = result["files"]["converted"], result["bytes"]["converted"], result["seconds"]
    # Small files are slow by their number, large ones by their size.
    rest = seconds * max(left["files"] / max(files, 1), left["bytes"] / max(size, 1))
    return (
        f"{files} of {files + left['files']} files, {_amount(size)} of {_amount(size + left['bytes'])}, "
        f"{_amount(result['bytes_per_second'])}/s, about {_duration(rest)} left"
    )
