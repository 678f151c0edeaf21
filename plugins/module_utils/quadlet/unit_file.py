# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Quadlet unit file as Podman's generator reads it.

The generator's grammar is neither systemd's nor INI's: a continued line is joined with nothing, comments and blank
lines inside it are skipped, there are no inline comments, and a line that is none of section, key or comment makes the
whole file unreadable.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_ASCII_SPACE = "\t\n\v\f\r "
# All that Go's unicode.IsSpace calls white space; str.strip() without an argument would take four more.
SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
# Around "=" the generator looks at single bytes, so that the last two also count, even in the middle of a character.
BYTE_SPACE = _ASCII_SPACE + "\x85\xa0"
COMMENT = "#;"
_SECTION = re.compile(r"\[([^\]]*)\][ \t]*\Z")
_BAD_SECTION = re.compile(r"\[|[\x00-\x1f\x7f]|\xc2[\x80-\x9f]")


class BrokenUnit(ValueError):
    """The generator cannot read this file. ``line`` counts from 1; ``why`` completes "line N ..."."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line} {why}")
        self.line = line
        self.why = why


class Assignment(NamedTuple):
    """One ``Key=value``. ``line`` is the physical line, counted from 1, on which it begins."""

    section: str
    key: str
    value: str
    line: int


class UnitFile(NamedTuple):
    """A parsed file. ``sections`` maps a section's name to the line, counted from 1, on which its last header ends."""

    data: bytes
    assignments: list[Assignment]
    sections: dict[str, int]

    def last(self, section: str, key: str) -> Assignment | None:
        """The assignment that wins where a key has one value."""
        for assignment in reversed(self.assignments):
            if assignment.key == key and assignment.section == section:
                return assignment
        return None


# While a file is read, each character stands for one of its bytes.


def as_bytes(data: bytes) -> str:
    """The data with a character for each byte."""
    return data.decode("latin-1")


def _text(characters: str) -> str:
    return characters.encode("latin-1").decode("utf-8", "surrogateescape")


def trimmed(line: str) -> str:
    """The line without white space at its ends."""
    if line.isascii():
        return line.strip(_ASCII_SPACE)
    return as_bytes(_text(line).strip(SPACE).encode("utf-8", "surrogateescape"))


def _logical_lines(data: bytes) -> Iterator[tuple[str, int, int]]:
    """Each line that says something, continuations joined, and the physical lines on which it begins and ends."""
    # As the generator does: one newline at the end closes the last line, a second one begins an empty line.
    lines = as_bytes(data[:-1] if data.endswith(b"\n") else data).split("\n")
    plain = data.isascii()
    joined, first = "", 0
    for number, line in enumerate(lines, 1):
        content = line.strip(_ASCII_SPACE) if plain else trimmed(line)
        if not content or content[0] in COMMENT:
            continue  # Inside a continuation too: it is skipped and does not end it.
        continued = content[-1] == "\\"
        if not first and not continued:
            yield content, number, number
            continue
        joined += content[:-1] if continued else content
        first = first or number
        if not continued or number == len(lines):
            if joined and joined[0] not in COMMENT:
                yield joined, first, number
            joined, first = "", 0
    # A continuation that only comments and blank lines follow is lost, with its key: nothing to take in.


def parse(data: bytes) -> UnitFile:
    """Read a unit file or drop-in. Raises BrokenUnit where Podman's generator gives an error."""
    plain = data.isascii()
    section: str | None = None
    sections: dict[str, int] = {}
    assignments: list[Assignment] = []
    for content, first, line in _logical_lines(data):
        header = _SECTION.match(content) if content[0] == "[" else None
        if header:
            section = _section(header[1], line)
            sections[section] = line
            continue
        key, equals, value = content.partition("=")
        if not equals or not key:
            raise BrokenUnit(line, "is not a section, a key with a value, or a comment")
        if section is None:
            raise BrokenUnit(line, "assigns a key before the first section")
        key, value = key.rstrip(BYTE_SPACE), value.lstrip(BYTE_SPACE)
        if not key:
            raise BrokenUnit(line, "has no key before its equals sign")
        if not plain:
            key, value = _text(key), _text(value)
        assignments.append(Assignment(section, key, value, first))
    return UnitFile(data, assignments, sections)


def _section(name: str, line: int) -> str:
    if not name or _BAD_SECTION.search(name):
        raise BrokenUnit(line, "has a section name that Quadlet does not take")
    return _text(name)
