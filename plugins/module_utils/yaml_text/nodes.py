# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A text in YAML as values with their places in it, and as plain data."""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field
from typing import Any

_MOST_VALUES = 200_000


class Fault(Exception):
    """The text is not YAML as Homepage reads it: where, and why."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line = line
        self.why = why


@dataclass(eq=False)
class Node:
    """One value. ``start`` and ``end`` enclose it with its anchor and tag; an empty value has both in one place."""

    kind: str  # scalar, mapping, sequence, alias
    start: int
    end: int
    body: int  # behind anchor and tag
    value: Any = None
    style: str = ""  # of a scalar: its first character where it is quoted or a block, else empty
    flow: bool = False
    column: int = 0  # of a block collection's keys or dashes
    pairs: list[Pair] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    target: Node | None = None

    @property
    def real(self) -> Node:
        """The value itself, where this is another name for it."""
        return self if self.target is None else self.target

    @property
    def empty(self) -> bool:
        """Nothing is written here, which means null."""
        return self.start == self.end


@dataclass(eq=False)
class Pair:
    """A key and its value. ``colon`` is behind the colon, or None for a key alone in ``{key}``."""

    key: Node
    colon: int | None
    value: Node

    @property
    def name(self) -> str:
        """The key as Homepage sees it: JavaScript makes a string of it."""
        return as_key(self.key)

    @property
    def behind(self) -> int:
        """Where its value may begin: behind the colon, or behind a key alone."""
        return self.key.end if self.colon is None else self.colon

    @property
    def end(self) -> int:
        return max(self.value.end, self.behind)

    @property
    def merges(self) -> bool:
        return self.key.kind == "scalar" and self.key.style == "" and self.key.value == "<<"


@dataclass(eq=False)
class Item:
    """A list's entry; ``start`` is its dash, or in a flow list the entry itself."""

    start: int
    node: Node


@dataclass(eq=False)
class Document:
    """A text and what it says."""

    text: str
    root: Node
    comments: list[tuple[int, int]]
    end: int  # before the end marker, or the text's end
    starts: list[int]

    def line(self, offset: int) -> int:
        return bisect.bisect_right(self.starts, offset)

    def line_start(self, offset: int) -> int:
        return self.starts[max(self.line(offset), 1) - 1]

    def next_line(self, offset: int) -> int:
        """Where the line behind the one with this offset begins, or the text's end."""
        line = self.line(offset)
        return self.starts[line] if line < len(self.starts) else len(self.text)

    def column(self, offset: int) -> int:
        return offset - self.line_start(offset)


def as_key(node: Node) -> str:
    """JavaScript's string for a key: 007 is "7", true is "true"."""
    node = node.real
    if node.kind == "sequence":
        return ",".join(as_key(item.node) for item in node.items)
    if node.kind == "mapping":
        return "[object Object]"
    value = node.value
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(str(value)) or (str(int(value)) if value.is_integer() else repr(value))
    return str(value)


def plain(node: Node) -> Any:
    """The value as plain data, other names and merged mappings resolved, keys as Homepage sees them."""
    return _plain(node, [_MOST_VALUES])


def _plain(node: Node, left: list[int]) -> Any:
    left[0] -= 1
    if left[0] < 0:
        raise Fault(1, "its anchors and aliases unfold to more values than a dashboard can have")
    node = node.real
    if node.kind == "sequence":
        return [_plain(item.node, left) for item in node.items]
    if node.kind == "scalar":
        return node.value
    result: dict[str, Any] = {}
    for pair in node.pairs:
        if not pair.merges:
            result[pair.name] = _plain(pair.value, left)
            continue
        source = pair.value.real
        for part in [item.node for item in source.items] if source.kind == "sequence" else [source]:
            for key, value in _plain(part, left).items():
                result.setdefault(key, value)
    return result
