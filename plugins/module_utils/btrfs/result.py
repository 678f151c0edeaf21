# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run returns: numbers, what was left out, what it costs, and the difference that it made."""

from __future__ import annotations

import os
from typing import Any

from .looking import Found
from .obstacles import NotDone, Wish
from .placing import Turned
from .walk import Count


def _costs(found: Found, wish: Wish) -> list[str]:
    """What a user gives up, and what takes the benefit away again."""
    if not wish.nocow:
        return [
            "What was written without checksums was copied as it is: an error in it that was there before stays unnoticed."
        ]
    return [
        "Data has no checksums: Btrfs no longer notices when the device returns something else than was written.",
        "Data is not compressed, whatever the mount options say.",
        *_costs_of_the_place(found),
        "A write that a power cut interrupts can leave half a block: the application has to have a journal of its own.",
        "btrfs send and receive, rsync and copies elsewhere do not carry NOCOW along.",
    ]


def _costs_of_the_place(found: Found) -> list[str]:
    """What mirrors and snapshots make of it, where the file system could be looked at."""
    if found.mirrored is None:
        return []
    mirrored = (
        f"The data profile is {found.mirrored}: of two mirrors that differ Btrfs returns either, and scrub repairs nothing."
        if found.mirrored
        else "Data profile without mirrors: nothing is lost in self-healing."
    )
    if found.snapshots is None:
        unknown = "the subvolume has no UUID by which they could be told" if os.geteuid() == 0 else "only root can list them"
        return [mirrored, f"Snapshots: unknown, because {unknown}."]
    if found.snapshots:
        return [
            mirrored,
            (
                f"Snapshots: {found.snapshots} of this subvolume keep the old copy-on-write data, and so its space, until they are deleted; "
                "after each new one every block is copied once more when it is written."
            ),
        ]
    return [mirrored, "Snapshots: none now; after each new one every block is copied once more when it is written."]


def _warnings(found: Found, wish: Wish) -> list[str]:
    if not wish.nocow or not found.snapshots or not found.survey.files.converted:
        return []
    how_many = "1 snapshot" if found.snapshots == 1 else f"{found.snapshots} snapshots"
    return [f"The old data of {found.shown} takes up space until {how_many} of its subvolume are deleted."]


def _count(looked: Count, turned: int, wish: Wish) -> dict[str, int]:
    """What the look found, with what was really turned in place of what could be."""
    left = max(0, looked.converted - turned)  # others may have made more meanwhile
    return {
        "nocow": looked.nocow + (0 if wish.nocow else left),
        "converted": turned,
        "cow": looked.cow + (left if wish.nocow else 0),
    }


def described(found: Found, wish: Wish, turned: Turned, not_done: NotDone, seconds: float) -> dict[str, Any]:
    """Counts, what is not done, and the costs: what both modules return."""
    looked = found.survey
    everything = NotDone()
    everything.merge(looked.not_done)
    everything.merge(not_done)
    return {
        "directories": _count(looked.directories, turned.directories, wish),
        "files": _count(looked.files, turned.files, wish),
        "bytes": _count(looked.bytes, turned.bytes, wish),
        "not_done": everything.listed,
        "not_done_total": everything.total,
        "extents_before": turned.extents_before,
        "extents_after": turned.extents_after,
        "seconds": round(seconds, 3),
        "bytes_per_second": int(turned.bytes / seconds) if seconds > 0 else 0,
        "costs": _costs(found, wish),
    }


def finished(
    found: Found, wish: Wish, turned: Turned, events: NotDone, seconds: float, recovered: bool
) -> dict[str, Any]:
    """What a conversion returns, or would."""
    result = described(found, wish, turned, events, seconds)
    result["changed"] = turned.anything or recovered
    result["warnings"] = _warnings(found, wish)
    result["unchecked"] = []
    result["diff"] = _difference(found, wish, result)
    return result


def _difference(found: Found, wish: Wish, result: dict[str, Any]) -> dict[str, str]:
    """The counts before and after, as lines."""
    before, after = [], []
    for kind in ("directories", "files", "bytes"):
        count = result[kind]
        nocow, cow = count["nocow"], count["cow"]
        turned = count["converted"]
        was = (nocow, cow + turned) if wish.nocow else (nocow + turned, cow)
        now = (nocow + turned, cow) if wish.nocow else (nocow, cow + turned)
        before.append(f"{kind}: {was[0]} NOCOW, {was[1]} copy-on-write\n")
        after.append(f"{kind}: {now[0]} NOCOW, {now[1]} copy-on-write\n")
    return {
        "before_header": found.shown,
        "after_header": found.shown,
        "before": "".join(before),
        "after": "".join(after),
    }
