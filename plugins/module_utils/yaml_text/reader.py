# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading YAML as text: what every value means, and between which characters it stands.

The dialect is the one of js-yaml 4, which Homepage uses, after Homepage's own replacement of ``{{HOMEPAGE_VAR_X}}``:
such a placeholder is one scalar here, quoted or not. What js-yaml refuses is refused here with its line. Explicit
keys (``? key``) and application tags are refused too, although js-yaml knows the former. Nothing is ever quoted from
the text in a message: a value may be a secret.
"""

from __future__ import annotations

import bisect
import re
from typing import NoReturn

from .nodes import Document, Fault, Item, Node, Pair
from .values import PLACEHOLDER, Timestamp, resolve

_BREAKS = "\r\n"
_BLANKS = " \t"
_FLOW_INDICATORS = ",[]{}"
_DEEPEST = 60
_NOT_PRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
_ESCAPES = {"0": "\0", "a": "\a", "b": "\b", "t": "\t", "\t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", "e": "\x1b",
            " ": " ", '"': '"', "/": "/", "\\": "\\", "N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029"}
_ESCAPE_DIGITS = {"x": 2, "u": 4, "U": 8}
# JSON writes a character beyond the first 65,536 as two escapes.
_SURROGATES = re.compile("[\ud800-\udbff][\udc00-\udfff]")


def read(text: str) -> Document:
    """Parse the text; Fault where Homepage could not read it."""
    return _Reader(text).document()


def _character(pair: re.Match[str]) -> str:
    return pair[0].encode("utf-16", "surrogatepass").decode("utf-16")


class _Reader:
    """A recursive descent over the characters. Every method takes an offset and returns what it found, with its end."""

    def __init__(self, text: str) -> None:
        self.text = text + "\0" * 4
        self.size = len(text)
        first = 1 if text.startswith("\ufeff") else 0
        self.starts = [first] + [match.end() for match in re.finditer("\r\n|\r|\n", text)]
        self.comments: dict[int, int] = {}
        self.anchors: dict[str, Node] = {}
        self.depth = 0

    def line(self, at: int) -> int:
        return bisect.bisect_right(self.starts, at)

    def column(self, at: int) -> int:
        return at - self.starts[max(self.line(at), 1) - 1]

    def fail(self, at: int, why: str) -> NoReturn:
        raise Fault(max(self.line(at), 1), why)

    # Between values

    def is_space(self, at: int) -> bool:
        """A blank, a line break or the text's end."""
        return self.text[at] in " \t\r\n\0"

    def is_marker(self, at: int) -> bool:
        """A document marker, which only counts at the left edge."""
        return self.text[at:at + 3] in ("---", "...") and self.is_space(at + 3) and self.column(at) == 0

    def is_dash(self, at: int) -> bool:
        return self.text[at] == "-" and self.is_space(at + 1) and not self.is_marker(at)

    def blanks(self, at: int) -> int:
        while self.text[at] in _BLANKS:
            at += 1
        return at

    def line_end(self, at: int) -> int:
        while at < self.size and self.text[at] not in _BREAKS:
            at += 1
        return at

    def skip(self, at: int) -> int:
        """Behind blanks, line breaks and comments: the next thing that counts, or the text's end."""
        while at < self.size:
            if self.text[at] == "#":
                self.comments[at] = at = self.line_end(at)
            elif self.text[at] in " \t\r\n":
                at += 1
            else:
                break
        return at

    def no_tabs(self, at: int) -> None:
        """The indentation of block content is made of spaces."""
        if "\t" in self.text[at - self.column(at):at]:
            self.fail(at, "a tab stands in the indentation, which must be spaces")

    # The whole

    def document(self) -> Document:
        if "\0" in self.text[:self.size]:
            self.fail(self.text.index("\0"), "it holds a null byte, so it is not UTF-8 text")
        at = self.skip(self.starts[0])
        while self.text[at] == "%" and self.column(at) == 0:
            if not re.compile(r"%YAML[ \t]+1\.[12][ \t]*[\r\n]").match(self.text, at):
                self.fail(at, "it begins with a directive other than %YAML 1.2")
            at = self.skip(self.line_end(at))
            if not self.text.startswith("---", at):
                self.fail(at, "a directive is not followed by ---")
        if self.text.startswith("---", at) and self.column(at) == 0:
            at += 3
            if not self.is_space(at):
                self.fail(at, "text follows the marker --- without a space")
        root = self.block(at, -1, opens=True)
        at = end = self.skip(root.end)
        if self.is_marker(at) and self.text[at] == ".":
            at = self.skip(at + 3)
        if at < self.size:
            self.fail(at, "a second document begins" if self.is_marker(at) or at != end else "the indentation or the form fits nothing above")
        return Document(self.text[:self.size], root, sorted(self.comments.items()), min(end, self.size), self.starts)

    # Block context

    def block(self, at: int, parent: int, in_mapping: bool = False, opens: bool = False) -> Node:
        """The value behind a dash, a key's colon or the document's start.

        ``parent`` is the column that it must exceed; a list may stand in the column of its key. ``opens`` says that
        a block collection may begin on this same line.
        """
        self.depth += 1
        if self.depth > _DEEPEST:
            self.fail(at, "values are nested too deeply")
        node = self._block(at, parent, in_mapping, opens)
        self.depth -= 1
        return node

    def _block(self, at: int, parent: int, in_mapping: bool, opens: bool) -> Node:
        start = self.skip(at)
        fresh = self.line(start) != self.line(at) or parent == -1
        if not self.belongs(start, at, parent, in_mapping):
            return Node("scalar", at, at, at)
        if fresh:
            self.no_tabs(start)
        body, anchor, tag = self.properties(start)
        if body != start:
            if parent < 0:
                self.fail(start, "the whole document has an anchor or a tag")
            behind = self.skip(body)
            fresh = self.line(behind) != self.line(body)
            if not self.belongs(behind, body, parent, in_mapping):
                return self.finish(Node("scalar", start, body, body), start, anchor, tag)
            if fresh:
                self.no_tabs(behind)
            body, opens = behind, False
        node = self.block_content(body, parent, fresh or opens)
        return self.finish(node, start, anchor, tag)

    def belongs(self, found: int, at: int, parent: int, in_mapping: bool) -> bool:
        """Whether what was found behind ``at`` is its value, or belongs to something further out."""
        if found >= self.size or self.is_marker(found):
            return False
        if self.line(found) == self.line(at):
            return True
        column = self.column(found)
        return column > parent or (in_mapping and column == parent and self.is_dash(found))

    def block_content(self, at: int, parent: int, collections: bool) -> Node:
        if collections:
            if self.is_dash(at):
                return self.block_sequence(at)
            key = self.implicit_key(at, parent)
            if key:
                return self.block_mapping(key)
        if self.text[at] in "|>" and parent >= 0:
            return self.block_scalar(at, parent)
        node = self.flow(at, parent, False)
        behind = self.blanks(node.end)
        if self.text[behind] not in "\r\n\0#":
            self.fail(behind, "more text follows a value that has ended: a colon and a space, a quote or a brace is out of place")
        return node

    def block_sequence(self, at: int) -> Node:
        column = self.column(at)
        node = Node("sequence", at, at, at, column=column)
        while True:
            behind = self.blanks(at + 1)
            if "\t" in self.text[at:behind] and (self.is_dash(behind) or self.implicit_key(behind, column)):
                self.fail(at, "a tab stands in the indentation, which must be spaces")
            item = self.block(at + 1, column, opens=True)
            behind = self.skip(item.end)
            if item.empty and behind < self.size and self.column(behind) < column and self.is_dash(behind):
                self.fail(at, "an empty entry ends a list within a list, and Homepage takes what follows into that one")
            node.items.append(Item(at, item))
            node.end = max(item.end, at + 1)
            at = self.next_entry(node.end, column)
            if at < 0 or not self.is_dash(at):
                return node

    def block_mapping(self, key: Pair) -> Node:
        at = key.key.start
        column = self.column(at)
        node = Node("mapping", at, at, at, column=column)
        while True:
            key.value = self.block(key.behind, column, in_mapping=True)
            self.add_pair(node, key)
            node.end = key.end
            at = self.next_entry(node.end, column)
            if at < 0:
                return node
            following = None if self.is_dash(at) else self.implicit_key(at, column)
            if following is None:
                self.fail(at, "a line among the keys of a mapping is no key with a colon")
            key = following

    def next_entry(self, end: int, column: int) -> int:
        """The next entry of a block collection in this column, or -1 where the collection has ended."""
        at = self.skip(end)
        if at >= self.size or self.is_marker(at) or (self.column(at) < column and self.line(at) != self.line(end)):
            return -1
        self.no_tabs(at)
        if self.column(at) > column or self.line(at) == self.line(end):
            self.fail(at, "the indentation fits nothing above")
        return at

    def implicit_key(self, at: int, parent: int) -> Pair | None:
        """The key that begins here, where one does: on one line, with a colon behind it."""
        if self.text[at] == "?" and self.is_space(at + 1):
            self.fail(at, "a key is written with a question mark, which this collection does not read")
        if self.text[at] in "|>&!":
            return None
        node = self.flow(at, parent, False)
        colon = self.blanks(node.end)
        if self.text[colon] != ":" or self.line(node.end) != self.line(at):
            return None
        if not self.is_space(colon + 1):
            self.fail(colon, "no space follows the colon of a key")
        return Pair(node, colon + 1, node)

    def add_pair(self, mapping: Node, pair: Pair) -> None:
        if isinstance(pair.key.real.value, Timestamp):
            self.fail(pair.key.start, "a key is a date: put it in quotes")
        if pair.merges:
            source = pair.value.real
            parts = [item.node.real for item in source.items] if source.kind == "sequence" else [source]
            if any(part.kind != "mapping" for part in parts):
                self.fail(pair.key.start, "a merge key (<<) does not name a mapping")
        elif any(pair.name == other.name for other in mapping.pairs if not other.merges):
            self.fail(pair.key.start, "a key stands twice in one mapping")
        mapping.pairs.append(pair)

    def block_scalar(self, start: int, parent: int) -> Node:
        header = re.compile(r"[|>]([-+]?)([1-9]?)([-+]?)[ \t]*((?<=[ \t])#[^\r\n]*)?(?=[\r\n\0])").match(self.text, start)
        if header is None or (header[1] and header[3]):
            self.fail(start, "the head of a block of text (| or >) is malformed")
        if header[4]:
            self.comments[header.start(4)] = header.end(4)
        indent = parent + int(header[2]) if header[2] else None
        lines, end = self.block_lines(header.end(), parent, indent)
        chomp = header[1] or header[3]
        text = "\n".join(lines) if self.text[start] == "|" else _folded(lines)
        content = text.rstrip("\n")
        if chomp == "+" and not content:
            self.fail(start, "a block of text keeps its empty lines (+) and has no others")
        if chomp != "+":
            last = max((number for number, line in enumerate(lines) if line), default=-1)
            end = self.line_end(self.starts[self.line(header.end()) + last])
            text = content + ("\n" if content and not chomp else "")
        elif lines:
            text += "\n"
        return Node("scalar", start, end, start, text, self.text[start])

    def block_lines(self, at: int, parent: int, indent: int | None) -> tuple[list[str], int]:
        """The lines of a block of text without their indentation, and where they end."""
        lines: list[str] = []
        least = parent + 1
        end = at
        for start in self.starts[self.line(at):]:
            stop = self.line_end(start)
            line = self.text[start:stop]
            spaces = len(line) - len(line.lstrip(" "))
            blank = spaces == len(line)
            if indent is None:
                least = max(least, spaces)
            edge = least if indent is None else indent
            if not blank and (spaces < edge or self.is_marker(start)):
                break
            if start >= self.size:
                break
            if not blank:
                indent = edge
            if _NOT_PRINTABLE.search(line):
                self.fail(start, "a text holds a control character")
            lines.append(line[edge:])
            end = stop
        return lines, end

    # Flow context and scalars

    def properties(self, at: int) -> tuple[int, str, str]:
        """Behind an anchor and a tag, and both."""
        anchor = tag = ""
        end = at
        while self.text[at] in "&!":
            stop = at + 1
            while not self.is_space(stop) and self.text[stop] not in _FLOW_INDICATORS:
                stop += 1
            word = self.text[at:stop]
            if PLACEHOLDER.match(self.text, stop):
                self.fail(at, "the name of an anchor or tag goes on in a placeholder: put a blank between the two")
            if word[0] == "&":
                if anchor or len(word) == 1:
                    self.fail(at, "an anchor has no name, or a value has two")
                anchor = word[1:]
            elif tag or word not in ("!!str", "!!map", "!!seq"):
                self.fail(at, "a value has a tag that Homepage does not know, or that this collection does not read")
            else:
                tag = word
            end = stop
            at = self.blanks(stop)
        return end, anchor, tag

    def finish(self, node: Node, start: int, anchor: str, tag: str) -> Node:
        """Give a value its anchor and tag."""
        if (anchor or tag) and node.kind == "alias":
            self.fail(start, "an alias has an anchor or a tag of its own")
        if tag and tag != {"scalar": "!!str", "mapping": "!!map", "sequence": "!!seq"}[node.kind]:
            self.fail(start, "a value does not fit its tag")
        if tag == "!!str" and not isinstance(node.value, str):
            node.value = self.text[node.body:node.end] if node.end > node.body else ""
        elif tag == "!!str":
            node.value = str(node.value)
        node.start = min(node.start, start)
        if anchor:
            self.anchors[anchor] = node
        return node

    def flow(self, at: int, parent: int, inside: bool) -> Node:
        """A flow collection, a scalar or an alias; ``inside`` a flow collection."""
        char = self.text[at]
        placeholder = PLACEHOLDER.match(self.text, at)
        if placeholder:
            return self.bare_placeholder(placeholder, inside)
        if char in "[{":
            self.depth += 1
            if self.depth > _DEEPEST:
                self.fail(at, "values are nested too deeply")
            node = self.flow_collection(at, parent)
            self.depth -= 1
            return node
        if char in "\"'":
            return self.quoted(at)
        if char == "*":
            return self.alias(at)
        return self.plain_scalar(at, parent, inside)

    def bare_placeholder(self, match: re.Match[str], inside: bool) -> Node:
        end = match.end()
        behind = self.blanks(end)
        char = self.text[behind]
        if char not in "\r\n\0:" and not (char == "#" and behind > end) and not (inside and char in ",]}"):
            self.fail(end, "a value begins with an unquoted placeholder and goes on behind it: Homepage refuses the whole file; put the value in quotes")
        return Node("scalar", match.start(), end, match.start(), match[0], "{")

    def alias(self, at: int) -> Node:
        end = at + 1
        while not self.is_space(end) and self.text[end] not in _FLOW_INDICATORS:
            end += 1
        target = self.anchors.get(self.text[at + 1:end])
        if target is None:
            self.fail(at, "an alias names an anchor that is not above it")
        if target.style in ("|", ">") and any(char in _BREAKS for char in self.text[target.start:target.body]):
            # js-yaml tries a mapping there first, and leaves the anchor on it.
            self.fail(at, f"an alias names an anchor that stands on a line above its {target.style}, which Homepage loses: put both on one line")
        return Node("alias", at, end, at, target=target)

    def flow_next(self, at: int) -> int:
        at = self.skip(at)
        if at >= self.size or self.is_marker(at):
            self.fail(at, "a bracket or brace is not closed")
        return at

    def flow_collection(self, start: int, parent: int) -> Node:
        closing = {"[": "]", "{": "}"}[self.text[start]]
        node = Node("sequence" if closing == "]" else "mapping", start, start, start, flow=True)
        at = self.flow_next(start + 1)
        while self.text[at] != closing:
            pair, end = self.flow_entry(at, parent)
            if closing == "}":
                self.add_pair(node, pair)
            elif pair.colon is None:
                node.items.append(Item(at, pair.key))
            else:
                single = Node("mapping", at, end, at, flow=True)
                self.add_pair(single, pair)
                node.items.append(Item(at, single))
            at = self.flow_next(end)
            if self.text[at] == ",":
                at = self.flow_next(at + 1)
            elif self.text[at] != closing:
                self.fail(at, "a comma is missing between the entries of a bracket or brace")
        node.end = at + 1
        return node

    def flow_entry(self, at: int, parent: int) -> tuple[Pair, int]:
        """An entry of a flow collection as a pair, which has no colon where it is a value alone."""
        if self.text[at] == "?" and self.is_space(at + 1):
            self.fail(at, "a key is written with a question mark, which this collection does not read")
        key = self.flow_value(at, parent)
        colon = self.flow_next(key.end)
        if self.text[colon] != ":" or self.line(colon) != self.line(at):
            return Pair(key, None, Node("scalar", key.end, key.end, key.end)), key.end
        colon += 1
        at = self.flow_next(colon)
        if self.text[at] in ",]}":
            return Pair(key, colon, Node("scalar", colon, colon, colon)), colon
        value = self.flow_value(at, parent)
        return Pair(key, colon, value), value.end

    def flow_value(self, start: int, parent: int) -> Node:
        body, anchor, tag = self.properties(start)
        if body == start:
            return self.flow(start, parent, True)
        at = self.flow_next(body)
        if any(char in _BREAKS for char in self.text[body:at]):
            self.fail(start, "an anchor or a tag between braces stands at a line's end: put it on the line of its value")
        if self.text[at] in ",:]}":
            return self.finish(Node("scalar", start, body, body), start, anchor, tag)
        return self.finish(self.flow(at, parent, True), start, anchor, tag)

    def quoted(self, start: int) -> Node:
        quote = self.text[start]
        parts: list[str] = []
        at = start + 1
        while True:
            char = self.text[at]
            if at >= self.size or self.is_marker(at):
                self.fail(start, "a quote is not closed")
            if char == quote == "'" and self.text[at + 1] == "'":
                parts.append("'")
                at += 2
            elif char == quote:
                return Node("scalar", start, at + 1, start, _SURROGATES.sub(_character, "".join(parts)), quote)
            elif char in _BREAKS:
                at = self.fold(parts, at)
            elif char == "\\" and quote == '"':
                at = self.escape(parts, at + 1)
            elif char < " " and char != "\t":
                self.fail(at, "a text holds a control character")
            else:
                parts.append(char)
                at += 1

    def fold(self, parts: list[str], at: int) -> int:
        """Behind a line break in quotes: it is a space, further ones are kept, blanks around them do not count.

        Blanks that were written as escapes do count: an empty part behind them keeps them from being popped.
        """
        while parts and parts[-1] in (" ", "\t"):
            parts.pop()
        behind = at
        while self.text[behind] in " \t\r\n":
            behind += 1
        breaks = self.line(behind) - self.line(at)
        parts += ["\n" * (breaks - 1) or " ", ""]
        return behind

    def escape(self, parts: list[str], at: int) -> int:
        char = self.text[at]
        if char in _BREAKS:
            while self.text[at] in " \t\r\n":
                at += 1
            parts.append("")
            return at
        if char in _ESCAPES:
            parts += [_ESCAPES[char], ""]
            return at + 1
        digits = self.text[at + 1:at + 1 + _ESCAPE_DIGITS.get(char, 0)]
        if char not in _ESCAPE_DIGITS or not re.match(rf"[0-9a-fA-F]{{{_ESCAPE_DIGITS[char]}}}\Z", digits) or int(digits, 16) > 0x10FFFF:
            self.fail(at, "a text in double quotes holds an unknown escape")
        parts += [chr(int(digits, 16)), ""]
        return at + 1 + len(digits)

    def plain_scalar(self, start: int, parent: int, inside: bool) -> Node:
        first = self.text[start]
        ends = self.is_space(start + 1) or (inside and self.text[start + 1] in _FLOW_INDICATORS)
        if first in "#&*!|>'\"%@`" + _FLOW_INDICATORS or (first in "-?:" and ends):
            self.fail(start, "a value begins with a character that YAML reserves: put it in quotes")
        lines = []
        at = start
        while True:
            stop = self.plain_line(at, inside)
            lines.append(self.text[at:stop])
            end = stop
            at = self.blanks(stop)
            if self.text[at] not in _BREAKS:
                break
            first_break = at
            while self.text[at] in " \t\r\n":
                at += 1
            if at >= self.size or self.column(at) <= parent or self.text[at] == "#" or self.is_marker(at):
                break
            if parent < 0:
                self.fail(at, "the file is a text of several lines and not a list")
            self.no_tabs(at)
            if self.plain_line(at, inside) == at:
                break
            lines.append("\n" * (self.line(at) - self.line(first_break) - 1) or " ")
        text = "".join(lines)
        if _NOT_PRINTABLE.search(text):
            self.fail(start, "a text holds a control character")
        return Node("scalar", start, end, start, resolve(text), "")

    def plain_line(self, at: int, inside: bool) -> int:
        """Where a plain scalar ends on this line, blanks at its end left out."""
        end = at
        while at < self.size and self.text[at] not in _BREAKS:
            char = self.text[at]
            if char == ":" and inside and PLACEHOLDER.match(self.text, at + 1):
                self.fail(at, "no space follows the colon of a key")
            if char == ":" and (self.is_space(at + 1) or (inside and self.text[at + 1] in _FLOW_INDICATORS)):
                break
            if (char == "#" and self.text[at - 1] in _BLANKS) or (inside and char in _FLOW_INDICATORS):
                break
            at += 1
            if char not in _BLANKS:
                end = at
        return end


def _folded(lines: list[str]) -> str:
    """The text of a block that begins with >: a break between two lines at the left edge is a space."""
    text = ""
    before: str | None = None
    breaks = 0
    for line in lines:
        if not line:
            breaks += 1
            continue
        if before is None:
            text += "\n" * breaks
        elif line[0] in _BLANKS or before[0] in _BLANKS:
            text += "\n" * (breaks + 1)
        else:
            text += "\n" * breaks or " "
        text += line
        before = line
        breaks = 0
    return text + "\n" * breaks
