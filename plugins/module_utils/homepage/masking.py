# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a tile may be a secret, and texts without it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ..yaml_text import reader
from ..yaml_text.nodes import Node
from ..yaml_text.values import PLACEHOLDER

# Of a widget only this is shown; everywhere else what has a name as secrets have is hidden.
_OPEN_IN_WIDGETS = {"type", "url", "version", "fields", "method", "refreshInterval", "display", "mappings", "site"}
_SECRET_NAME = re.compile(r"(?i)key|token|pass|secret|auth|cookie|credential|user|pin\b")
_IN_COMMENT = re.compile(
    r"(?i)#.*?(?:(?:key|token|pass|secret|auth|cookie|credential|user)\w*[\"']?[ \t]*[:=][ \t]*|(?:pass(?:word|wd)?|secret|token)[ \t]+)"
    r"(?P<secret>[^\s#][^\r\n]*)")
_IN_URL = re.compile(r"//(?P<user>[^/\s\"'@:]*:[^\s\"'@]+|[^/\s\"'@]+)@|[?&][\w.-]+=(?P<query>[^&\s\"'#]+)")
_SCHEME = re.compile(r"(?i)\A(?:basic|bearer)\b")
# A text this short would be found all over the file.
_TELLING = 6


def literals(tile: Any) -> set[str]:
    """The secrets in a tile given as plain data, but those so short that the log of everything else would be full of them."""
    found: set[str] = set()
    for name, value, widget in _plain_scalars(tile, "", False):
        if isinstance(value, bool) or value is None:
            continue
        text = str(value)
        found |= {text} if _hidden(name, text, widget) else set(_in_urls(text))
    return {text for text in found if len(text) >= _TELLING}


def hide(before: str, after: str) -> tuple[str, str]:
    """Two readable texts without their secrets. A secret has one number in both, so that its change still shows."""
    numbers: dict[str, int] = {}
    old = _spans(before, numbers)
    new = _spans(after, numbers)
    return _replace(before, old, numbers), _replace(after, new, numbers)


def _names_only(text: str) -> bool:
    """Whether nothing is in a text but the names of variables that hold the secret."""
    return not _SCHEME.sub("", PLACEHOLDER.sub("", text).strip(" \t\"'")).strip()


def _hidden(name: str, text: str, widget: bool) -> bool:
    if _names_only(text):
        return False
    return bool(_SECRET_NAME.search(name)) or (widget and name not in _OPEN_IN_WIDGETS)


def _plain_scalars(value: Any, name: str, widget: bool) -> Iterator[tuple[str, Any, bool]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _plain_scalars(inner, _name(key, name, widget), widget or key in ("widget", "widgets"))
    elif isinstance(value, list):
        for inner in value:
            yield from _plain_scalars(inner, name, widget)
    else:
        yield name, value, widget


def _name(key: str, above: str, widget: bool) -> str:
    """What a value is known by: in a widget the key directly below it, because headers may have any name."""
    return above if widget and above not in ("", "widget", "widgets") else key


def _node_scalars(node: Node, name: str, widget: bool) -> Iterator[tuple[str, Node, bool]]:
    node = node.real
    for pair in node.pairs:
        yield from _node_scalars(pair.value, _name(pair.name, name, widget), widget or pair.name in ("widget", "widgets"))
    for item in node.items:
        yield from _node_scalars(item.node, name, widget)
    if node.kind == "scalar" and node.body < node.end:
        yield name, node, widget


def _in_urls(text: str) -> Iterator[str]:
    for match in _IN_URL.finditer(text):
        secret = match["user"] or match["query"]
        if not _names_only(secret):
            yield secret


def _spans(text: str, numbers: dict[str, int]) -> list[tuple[int, int, str]]:
    """Where the text has secrets, and which."""
    spans = []
    for name, node, widget in _node_scalars(reader.read(text).root, "", False):
        if not isinstance(node.value, bool) and _hidden(name, "" if node.value is None else str(node.value), widget):
            spans.append((node.body, node.end, str(node.value)))
    for match in _IN_COMMENT.finditer(text):
        if not _names_only(match["secret"]):
            spans.append((match.start("secret"), match.end("secret"), match["secret"].strip()))
    for match in _IN_URL.finditer(text):
        group = "user" if match["user"] else "query"
        if not _names_only(match[group]):
            spans.append((match.start(group), match.end(group), match[group]))
    for _start, _end, secret in spans:
        numbers.setdefault(secret, len(numbers) + 1)
    return spans


def _replace(text: str, spans: list[tuple[int, int, str]], numbers: dict[str, int]) -> str:
    for secret in numbers:
        if len(secret) >= _TELLING:
            spans += [(match.start(), match.end(), secret) for match in re.finditer(re.escape(secret), text)]
    result = []
    at = 0
    for start, end, secret in sorted(spans, key=lambda span: (span[0], -span[1])):
        if start >= at:
            result += [text[at:start], f"(hidden {numbers[secret]})"]
            at = end
    return "".join([*result, text[at:]])
