# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was found and what is to change, as lines for a terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .applications import Change, Finding
from .checks import Check

_MARKS = {True: "ok", False: "NOT OK", None: "-"}


def _place(path: str, line: int | None) -> str:
    return path if line is None else f"{path}:{line}"


def lines(facts: Sequence[str], changes: Sequence[Change], findings: Sequence[Finding], left_alone: Sequence[str]) -> list[str]:
    """One list for a person who wants to know what would be done to a host, and why."""
    said = list(facts)
    said += [f"WILL CHANGE {_place(one.path, one.line)}: {one.what}, because {one.why}." for one in changes] or ["WILL CHANGE nothing."]
    said += [f"LEFT ALONE: {one}" for one in left_alone]
    said += [f"LOOK AT {_place(one.path, one.line)}: {one.what}. What fits: {one.fits}." for one in findings]
    return said


def table(checks: Sequence[Check]) -> list[str]:
    """The verification list with its columns in line."""
    rows = [(one.what, one.found, _MARKS[one.fine]) for one in checks]
    widths = [max(len(row[column]) for row in rows) for column in range(2)] if rows else [0, 0]
    return [f"{what:<{widths[0]}}  {found:<{widths[1]}}  {mark}" for what, found, mark in rows]


def markdown(checks: Sequence[Check], findings: Sequence[Finding], left_alone: Sequence[str]) -> str:
    """The verification list and what is left to a person, to be kept beside the host's notes."""
    parts = ["## Verification", "", "| what | found | |", "|---|---|---|"]
    parts += [f"| {_cell(one.what)} | {_cell(one.found)} | {_MARKS[one.fine]} |" for one in checks]
    if findings or left_alone:
        parts += ["", "## Left to you", ""]
        parts += [f"- `{_place(one.path, one.line)}`: {one.what}. What fits: {one.fits}." for one in findings]
        parts += [f"- {one}" for one in left_alone]
    return "\n".join(parts) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def plain(rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Named tuples as JSON values."""
    return [row._asdict() for row in rows]
