# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits of a unit file, which change the bytes of one value or take out whole lines, and leave every other byte alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .unit_file import BYTE_SPACE, COMMENT, Assignment, as_bytes, parse, trimmed


class Piece(NamedTuple):
    """One physical line of an assignment, as offsets into the file.

    ``start`` to ``end`` is its part of the value; a continuing backslash stands at ``end`` where ``continued``.
    """

    line_start: int
    start: int
    end: int
    continued: bool
    line_end: int


def _after(data: bytes, lines: int) -> int:
    """The offset after so many lines."""
    return min(sum(len(line) + 1 for line in data.split(b"\n")[:lines]), len(data))


def pieces(data: bytes, assignment: Assignment) -> list[Piece]:
    """Where an assignment of the file stands."""
    found: list[Piece] = []
    joined = ""
    line_end = _after(data, assignment.line - 1)
    for line in as_bytes(data[line_end:]).split("\n"):
        line_start, line_end = line_end, line_end + len(line) + 1
        content = trimmed(line)
        if not content or content[0] in COMMENT:
            continue
        start = line_start + line.index(content)
        continued = content[-1] == "\\"
        content = content[:-1] if continued else content
        found.append(Piece(line_start, start, start + len(content), continued, min(line_end, len(data))))
        joined += content
        if not continued:
            break
    skip = len(joined) - len(joined.partition("=")[2].lstrip(BYTE_SPACE))
    for index, piece in enumerate(found):
        dropped = min(skip, piece.end - piece.start)
        skip -= dropped
        found[index] = piece._replace(start=piece.start + dropped)
    return found


def _cut(data: bytes, spans: Iterable[tuple[int, int]], insert: dict[int, bytes]) -> bytes:
    """The data without the spans, and with bytes put in where a span begins."""
    kept, position = [], 0
    for start, end in sorted(spans):
        kept += [data[position:start], insert.get(start, b"")]
        position = end
    kept.append(data[position:])
    return b"".join(kept)


def _keep_last_line_open(before: bytes, after: bytes) -> bytes:
    """A file whose last line had no newline keeps that manner when that line is taken out."""
    if not before.endswith(b"\n") and after.endswith(b"\n"):
        return after[: -2 if after.endswith(b"\r\n") else -1]
    return after


def with_value(data: bytes, assignment: Assignment, value: str, keep_quotes: bool = True) -> bytes:
    """The file with another value there, on one line; comments inside a continued value stay, below it."""
    where = pieces(data, assignment)
    home = next((i for i, piece in enumerate(where) if piece.end > piece.start), len(where) - 1)
    target = where[home]
    start, end = target.start, target.end + target.continued
    if keep_quotes and len(where) == 1 and not target.continued:
        # Where a key has one value, quotes around it are dress.
        inner = data[start:end].strip(b'"')
        if inner and data[start:end] == b'"' + inner + b'"':
            start, end = start + 1, end - 1
    spans = [(start, end), *((piece.line_start, piece.line_end) for piece in where[home + 1 :])]
    return _keep_last_line_open(data, _cut(data, spans, {start: value.encode("utf-8", "surrogateescape")}))


def with_shown(data: bytes, assignments: Iterable[Assignment], words: str) -> bytes:
    """The file with these words in place of each of the values, and of the comments inside them."""
    insert: dict[int, bytes] = {}
    spans = []
    for assignment in assignments:
        where = pieces(data, assignment)
        start = next(piece.start for piece in where if piece.end > piece.start)
        spans.append((start, where[-1].end))
        insert[start] = words.encode()
    return _cut(data, spans, insert)


def without(data: bytes, assignments: Iterable[Assignment]) -> bytes:
    """The file without the lines of these assignments; comments inside a continued one stay."""
    spans = [(piece.line_start, piece.line_end) for assignment in assignments for piece in pieces(data, assignment)]
    return _keep_last_line_open(data, _cut(data, spans, {}))


def with_added(
    data: bytes,
    section: str,
    key: str,
    values: Sequence[str],
    after: Assignment | None = None,
    before: Assignment | None = None,
) -> bytes:
    """The file with these assignments added: beside a given one, else at the end of the section, which is made where it is missing."""
    unit = parse(data)
    newline = b"\r\n" if b"\r\n" in data else b"\n"
    lines = [f"{key}={value}".encode("utf-8", "surrogateescape") for value in values]
    neighbour = after or next((one for one in reversed(unit.assignments) if one.section == section), None)
    if neighbour and pieces(data, neighbour)[-1].continued:
        before = before or neighbour  # After a backslash at the end of the file nothing can be added.
    if before:
        position = pieces(data, before)[0].line_start
    elif neighbour:
        position = pieces(data, neighbour)[-1].line_end
    elif section in unit.sections:
        position = _after(data, unit.sections[section])
    else:
        position = len(data)
        lines = [*([b""] if data.strip() else []), f"[{section}]".encode(), *lines]
    head, tail = data[:position], data[position:]
    if head and not head.endswith(b"\n"):
        return head + b"".join(newline + line for line in lines)
    return head + b"".join(line + newline for line in lines) + tail
