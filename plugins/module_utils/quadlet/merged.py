# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A unit as the generator sees it: its file and its drop-ins, one after the other, and the values that win."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .rules import Rules
from .search_path import Broken, Source
from .unit_file import SPACE, Assignment

_SEPARATORS = " \t\n\r"
_ESCAPES = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    '"': '"',
    "'": "'",
    "s": " ",
}
_NUMERIC_ESCAPES = {"x": (2, 16), "u": (4, 16), "U": (8, 16)}


class Found(NamedTuple):
    """A value, and the assignment and file that it comes from."""

    value: str
    assignment: Assignment
    source: Source

    @property
    def place(self) -> str:
        return f"{self.source.path}:{self.assignment.line}"


class Unit:
    """A unit with its drop-ins merged. ``sources`` are its files in merge order, its own first."""

    def __init__(self, name: str, sources: Sequence[Source], broken_drop_ins: Sequence[Broken], rules: Rules) -> None:
        self.name = name
        self.stem, _dot, self.kind = name.rpartition(".")
        self.section = self.kind.capitalize()
        self.sources = sources
        self.broken_drop_ins = broken_drop_ins
        self.rules = rules
        self._values: dict[tuple[str, str], list[tuple[Assignment, Source]]] = {}
        for source in sources:
            for assignment in source.unit.assignments:
                self._values.setdefault(assignment[:2], []).append((assignment, source))

    @property
    def path(self) -> str:
        return self.sources[0].path

    @property
    def template(self) -> str:
        """The name of the template of which this would be an instance."""
        return f"{self.stem.partition('@')[0]}@.{self.kind}"

    def keys(self, section: str) -> list[str]:
        """The keys that are assigned in a section."""
        return [key for found_section, key in self._values if found_section == section]

    def assigned(self, key: str, section: str | None = None) -> list[Found]:
        """Every assignment of a key, also those that a later one outdoes."""
        assigned = self._values.get((section or self.section, key), ())
        return [Found(assignment.value, assignment, source) for assignment, source in assigned]

    def last(self, key: str, section: str | None = None) -> Found | None:
        """The value of a key that has one: the last assignment's, without the quotes that the generator takes off."""
        assigned = self._values.get((section or self.section, key))
        if not assigned:
            return None
        assignment, source = assigned[-1]
        return Found(self._unquoted(assignment.value.rstrip(SPACE)), assignment, source)

    def text(self, key: str, section: str | None = None) -> str:
        """The same, and empty where there is none."""
        found = self.last(key, section)
        return found.value if found else ""

    def every(self, key: str, section: str | None = None) -> list[Found]:
        """The values of a key that has several: all since the last empty assignment."""
        values: list[Found] = []
        for found in self.assigned(key, section):
            values = [*values, found] if found.value else []
        return values

    def words(self, key: str, section: str | None = None, escapes: bool = True) -> list[tuple[str, Found]]:
        """The words of all values of a key, each with where it comes from."""
        return [(word, found) for found in self.every(key, section) for word in split(found.value, escapes)]

    def options(self, *names: str) -> list[tuple[str, Found]]:
        """The values that PodmanArgs= gives an option under any of its names, each with where it comes from."""
        values: list[tuple[str, Found]] = []
        expected = False
        for word, found in self.words("PodmanArgs"):
            name, equals, value = word.partition("=")
            if expected:
                values.append((word, found))
            elif equals and name in names:
                values.append((value, found))
            expected = not expected and word in names
        return values

    def _unquoted(self, value: str) -> str:
        if not self.rules.only_paired_quotes:
            return value.strip('"')
        paired = len(value) > 1 and value[0] == value[-1] == '"'
        return value[1:-1] if paired else value


def _escape(text: str, position: int) -> tuple[str, int] | None:
    """The character that an escape sequence means, and how long it is after its backslash."""
    letter = text[position : position + 1]
    if letter in _ESCAPES:
        return _ESCAPES[letter], 1
    length, base = _NUMERIC_ESCAPES.get(letter, (3, 8))
    start = position + (1 if letter in _NUMERIC_ESCAPES else 0)
    digits = text[start : start + length]
    try:
        number = int(digits, base) if len(digits) == length and digits.isalnum() else 0
        return (chr(number), start + length - position) if number else None
    except (ValueError, OverflowError):
        return None


def split(value: str, escapes: bool) -> list[str]:
    """Split a value into words as the generator does: quotes hold words together, an unknown escape voids the value.

    With ``escapes`` as in a command line, where quotes may stay open; without as in a list, where they may not.
    """
    words: list[str] = []
    word = ""
    quote = ""
    position = 0
    while position < len(value):
        character = value[position]
        position += 1
        if escapes and character == "\\":
            if position == len(value):
                break
            meant = _escape(value, position)
            if meant is None:
                return []
            word += meant[0]
            position += meant[1]
        elif quote:
            if character == quote:
                quote = ""
            else:
                word += character
        elif character in "\"'":
            quote = character
        elif character not in _SEPARATORS:
            word += character
        elif word:
            words.append(word)
            word = ""
        elif value[:position].strip(_SEPARATORS):
            return words  # An empty quoted word ends the list.
    if quote and not escapes:
        return []
    return [*words, word] if word else words
