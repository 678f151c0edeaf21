# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ids that an account may use in its containers, out of the texts of /etc/subuid and /etc/subgid."""

from __future__ import annotations

from collections.abc import Sequence

Range = tuple[int, int]  # the first id and how many


def _lines(text: str) -> list[tuple[str, Range]]:
    found = []
    for line in text.split("\n"):
        fields = line.strip().split(":")
        if len(fields) == 3 and fields[1].isdigit() and fields[2].isdigit():
            found.append((fields[0], (int(fields[1]), int(fields[2]))))
    return found


def ranges(text: str, name: str, uid: int) -> list[Range]:
    """The account's ranges in the file's order. Lines that name its number count where none names the account."""
    lines = _lines(text)
    return [ids for owner, ids in lines if owner == name] or [ids for owner, ids in lines if owner == str(uid)]


def outside(inside: int, own: int, mapped: Sequence[Range]) -> int | None:
    """The host's id for an id as a rootless container sees it: 0 is the account's own, the ranges follow from 1 on."""
    if inside <= 0:
        return own if inside == 0 else None
    offset = inside - 1
    for first, count in mapped:
        if offset < count:
            return first + offset
        offset -= count
    return None


def next_free(*texts: str) -> int:
    """The first id above every range that the texts hand out, and never one that an ordinary account may have."""
    return max([100000] + [first + count for text in texts for _owner, (first, count) in _lines(text)])
