# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing one value of a YAML text and no other byte.

A place is named by keys and indexes from the root. Every function reads the text, changes the lines that have to, and
returns the new text; Fault where that cannot be done without touching something else. Whether the new text means what
was intended is for the caller to compare.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Union

from .nodes import Document, Fault, Node, Pair
from .reader import read
from .values import written

Step = Union[int, str]


def put(text: str, path: Sequence[Step], value: Any) -> str:
    """Give a mapping's key this value; the key is added behind the others where it is not there."""
    edit = _Edit(read(text))
    *above, key = path
    holder, own = edit.find(above)
    pair = next((pair for pair in holder.pairs if pair.name == key), None)
    if holder.kind == "alias" or not (pair or holder.pairs):
        merged = {"<<": _Alias(edit.source(holder))} if holder.kind == "alias" else {}
        return edit.replace_value(own, {**merged, key: value})
    if pair:
        return edit.replace_value((holder, pair), value)
    return edit.add_pair(holder, str(key), value)


def insert(text: str, path: Sequence[Step], value: Any) -> str:
    """Put a value into a list so that it has this index there."""
    edit = _Edit(read(text))
    *above, index = path
    holder, own = edit.find(above)
    if holder.items:
        return edit.add_item(holder, int(index), value, own[1] if own else None)
    return edit.replace_value(own, [value]) if own else edit.replace_root([value])


def drop(text: str, path: Sequence[Step]) -> str:
    """Remove a key with its value from its mapping, or a value from its list."""
    edit = _Edit(read(text))
    *above, last = path
    holder, own = edit.find(above)
    if isinstance(last, int):
        spans = [(item.start, item.node.end) for item in holder.items]
        which = last
    else:
        spans = [(pair.key.start, pair.end) for pair in holder.pairs]
        which = holder.pairs.index(edit.pair(holder, last))
    if len(spans) == 1:
        return edit.replace_value(own, [] if isinstance(last, int) else {})
    return edit.remove(holder, spans, which)


class _Alias:
    """An alias to be written as it was."""

    def __init__(self, source: str) -> None:
        self.source = source


Own = Union[tuple[Node, Pair], None]  # the mapping that holds a value, and its pair; None for the root


class _Edit:
    """A document about to be changed, with the file's own habits: line ends and indentation."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.text = document.text
        found = re.search("\r\n|\r|\n", self.text)
        self.newline = found[0] if found else "\n"
        nested = list(_nested(document.root))
        self.step = _usual([child.column - holder.column for holder, child in nested if child.kind == "mapping"], 2)
        self.dash_step = _usual([child.column - holder.column for holder, child in nested if child.kind == "sequence"], 2)

    def source(self, node: Node) -> str:
        return str(self.text[node.body:node.end])

    def fail(self, at: int, why: str) -> Fault:
        return Fault(self.document.line(at), why)

    def find(self, path: Sequence[Step]) -> tuple[Node, Own]:
        """The value in this place, and whose value it is. Only the last one may be an alias."""
        node: Node = self.document.root
        own: Own = None
        for step in path:
            if isinstance(step, int):
                node, own = self.written_here(node).items[step].node, None
            else:
                pair = self.pair(node, step)
                node, own = pair.value, (node, pair)
        return node, own

    def written_here(self, node: Node) -> Node:
        if node.kind == "alias":
            raise self.fail(node.start, "the value there is an alias of one that stands elsewhere; write it out in this place first")
        return node

    def pair(self, holder: Node, key: str) -> Pair:
        for pair in self.written_here(holder).pairs:
            if pair.name == key:
                return pair
        raise self.fail(holder.start, "a key there comes from a merge key (<<); write it out in this place first")

    # What is written

    def block(self, value: Any, column: int) -> list[str]:
        """A collection that is not empty, as lines."""
        margin = " " * column
        if isinstance(value, list):
            return [line for item in value for line in self.dashed(item, column)]
        lines = []
        for key, inner in value.items():
            if _is_block(inner):
                lines += [f"{margin}{_key(key)}:", *self.block(inner, column + (self.dash_step if isinstance(inner, list) else self.step))]
            else:
                lines.append(f"{margin}{_key(key)}: {_inline(inner)}")
        return lines

    def dashed(self, item: Any, column: int) -> list[str]:
        if not _is_block(item) or isinstance(item, list):
            return [f"{' ' * column}- {_inline(item)}"]
        lines = self.block(item, column + 2)
        return [f"{' ' * column}- {lines[0].lstrip(' ')}", *lines[1:]]

    def splice(self, *parts: tuple[int, int, str]) -> str:
        """The text with every part (start, end, new text) replaced."""
        text = self.text
        for start, end, new in sorted(parts, key=lambda part: part[:2], reverse=True):
            text = text[:start] + new + text[end:]
        return text

    def lines_at(self, at: int, lines: list[str]) -> str:
        """Lines as text to stand where a line begins, or behind a last line that has no end."""
        body = self.newline.join(lines)
        open_end = at == len(self.text) and at > 0 and self.text[at - 1] not in "\r\n\ufeff"
        return self.newline + body if open_end else body + self.newline

    # Where it is written

    def behind(self, pattern: str, at: int) -> int:
        """Where what the pattern finds here ends."""
        match = re.compile(pattern).match(self.text, at)
        return match.end() if match else at

    def ending(self, end: int, column: int) -> int:
        """Where the line behind an entry begins, comments deeper than its column belonging to it."""
        at = last = self.document.next_line(end)
        while at < len(self.text):
            start = self.behind(r"[ \t]*", at)
            behind = self.document.next_line(at)
            if self.text.startswith("#", start) and start - at > column:
                last = behind
            elif self.text[self.behind("#?", start):behind].strip("\r\n"):
                break
            at = behind
        return last

    def replace_root(self, value: Any) -> str:
        """Fill a document that says nothing, or an empty list."""
        root = self.document.root
        lines = self.block(value, 0)
        if root.empty:
            at = len(self.text) if self.document.end == len(self.text) else self.document.line_start(self.document.end)
            return self.splice((at, at, self.lines_at(at, lines)))
        if self.text[self.document.line_start(root.start):self.document.next_line(root.start)].strip() == self.source(root):
            return self.splice((root.start, root.end, self.newline.join(lines)))
        return self.splice((root.start, root.end, _inline(value)))

    def replace_value(self, own: Own, value: Any) -> str:
        if own is None:
            raise self.fail(self.document.root.start, "the entry is not a key with its value")
        holder, pair = own
        if holder.flow:
            return self.replace_in_flow(holder, pair, value)
        node = pair.value
        head = self.behind(r"(?:[ \t]*[&!][^ \t\r\n]+)*", pair.behind)
        parts = []
        below = not node.empty and self.document.line(node.body) > self.document.line(head)
        if below:
            start, end = self.document.line_start(node.body), self.ending(node.end, max(holder.column, node.column - 1))
            inline_end = head
        else:
            inline_end = max(head, node.end)
            start = end = self.document.next_line(inline_end)
        if _is_block(value):
            column = holder.column + (self.dash_step if isinstance(value, list) else self.step)
            parts += [(head, inline_end, ""), (start, end, self.lines_at(end, self.block(value, column)))]
        else:
            quote = node.style if node.style in ("'", '"') and isinstance(value, str) else ""
            parts += [(head, inline_end, " " + _inline(value, quote)), (start, end, "")]
        return self.splice(*parts)

    def replace_in_flow(self, holder: Node, pair: Pair, value: Any) -> str:
        node = pair.value
        quote = '"' if _like_json(self.text, holder) else node.style if node.style in ("'", '"') and isinstance(value, str) else ""
        new = _inline(value, quote, flow=True)
        if pair.colon is None:
            return self.splice((pair.key.end, pair.key.end, ": " + new))
        if node.empty:
            return self.splice((pair.colon, pair.colon, " " + new))
        return self.splice((node.body, node.end, new))

    def add_pair(self, holder: Node, key: str, value: Any) -> str:
        last = holder.pairs[-1]
        if holder.flow:
            if self.text[holder.start] != "{":
                raise self.fail(holder.start, "the value there is a key within square brackets; write braces around it first")
            quote = '"' if _like_json(self.text, holder) else ""
            return self.splice((last.end, last.end, f", {_key(key, quote, flow=True)}: {_inline(value, quote, flow=True)}"))
        at = self.ending(last.end, holder.column)
        return self.splice((at, at, self.lines_at(at, self.block({key: value}, holder.column))))

    def add_item(self, holder: Node, index: int, value: Any, pair: Pair | None) -> str:
        items = holder.items
        if holder.flow:
            new = _inline(value, '"' if _like_json(self.text, holder) else "", flow=True)
            if index == 0:
                return self.splice((items[0].start, items[0].start, new + ", "))
            end = items[index - 1].node.end
            return self.splice((end, end, ", " + new))
        lines = self.dashed(value, holder.column)
        if index == 0:
            if pair is None or pair.colon is None:
                raise self.fail(holder.start, "the list there has no key")
            at = self.document.next_line(pair.colon)
            return self.splice((at, at, self.lines_at(at, lines)))
        at = self.ending(items[index - 1].node.end, holder.column)
        spaced = any(not self.line_above(item.start).strip() for item in items[1:])
        return self.splice((at, at, self.lines_at(at, [""] * spaced + lines)))

    def line_above(self, at: int) -> str:
        start = self.document.line_start(at)
        return self.text[self.document.line_start(start - 1):start] if start else ""

    def remove(self, holder: Node, spans: list[tuple[int, int]], which: int) -> str:
        """Remove one of several entries."""
        start, end = spans[which]
        if holder.flow:
            if which + 1 < len(spans):
                return self.splice((start, spans[which + 1][0], ""))
            before = spans[which - 1][1]
            # A comment there is about what is before; a comma after the last entry means nothing.
            return self.splice((start if "#" in self.text[before:start] else before, end, ""))
        line = self.document.line_start(start)
        if self.text[line:start].strip(" \ufeff"):
            raise self.fail(start, "what is to be removed begins on a line that it shares with something else")
        return self.splice((line, self.ending(end, holder.column), ""))


def _nested(node: Node) -> Iterator[tuple[Node, Node]]:
    """Every block collection that is the value of a key of a block mapping, with that mapping."""
    for pair in node.pairs:
        if not node.flow and pair.value.kind in ("mapping", "sequence") and not pair.value.flow:
            yield node, pair.value
        yield from _nested(pair.value)
    for item in node.items:
        yield from _nested(item.node)


def _usual(steps: list[int], otherwise: int) -> int:
    return Counter(steps).most_common(1)[0][0] if steps else otherwise


def _is_block(value: Any) -> bool:
    return isinstance(value, (dict, list)) and bool(value)


def _like_json(text: str, holder: Node) -> bool:
    """Whether a flow collection is written as JSON: its keys, or those in it, stand in double quotes."""
    return any(pair.key.style == '"' for pair in holder.pairs) or any(_like_json(text, item.node) for item in holder.items)


def _key(key: str, quote: str = "", flow: bool = False) -> str:
    return key if key == "<<" else written(key, quote, flow)


def _inline(value: Any, quote: str = "", flow: bool = False) -> str:
    """A value on one line."""
    if isinstance(value, _Alias):
        return value.source
    if isinstance(value, list):
        return f"[{', '.join(_inline(item, quote, True) for item in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key, quote, True)}: {_inline(inner, quote, True)}" for key, inner in value.items()) + "}"
    return written(value, quote, flow)
