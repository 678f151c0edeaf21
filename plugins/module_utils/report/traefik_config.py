# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traefik's configuration as settings with their places, whether it stands in YAML, in labels or on the command line.

A setting's path is what Traefik makes of all three: the keys from outside to inside, in lower case, list entries by
their number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..yaml_text import reader
from ..yaml_text.nodes import Document, Node, plain

Path = tuple[str, ...]
_WORD = re.compile(r"\[(\d+)\]")


class Setting(NamedTuple):
    """One value and where it stands. ``value`` is empty for what only holds other settings."""

    value: str
    file: str
    line: int | None


class Configuration:
    """Settings from any number of places; of two with one path the first counts."""

    def __init__(self) -> None:
        self.settings: dict[Path, Setting] = {}

    def add(self, settings: Iterable[tuple[Path, Setting]]) -> None:
        for path, setting in settings:
            for length in range(1, len(path)):
                self.settings.setdefault(path[:length], Setting("", setting.file, setting.line))
            self.settings.setdefault(path, setting)

    def get(self, *path: str) -> Setting | None:
        return self.settings.get(path)

    def text(self, *path: str) -> str:
        found = self.settings.get(path)
        return found.value if found else ""

    def names(self, *path: str) -> list[str]:
        """The keys directly below a path."""
        depth = len(path)
        return list(dict.fromkeys(one[depth] for one in self.settings if len(one) > depth and one[:depth] == path))

    def listed(self, *path: str) -> list[str]:
        """A list, be it one of YAML or one with commas."""
        items = [self.text(*path, name) for name in self.names(*path)]
        return items or [word.strip() for word in self.text(*path).split(",") if word.strip()]


def from_yaml(text: str, file: str) -> Iterator[tuple[Path, Setting]]:
    """The settings of a file; Fault where it is not YAML."""
    document = reader.read(text)
    plain(document.root)  # A fault where aliases unfold to more than anybody means.
    yield from _below(document, document.root, (), file)


def _below(document: Document, node: Node, path: Path, file: str) -> Iterator[tuple[Path, Setting]]:
    node = node.real
    for pair in node.pairs:
        here = (*path, pair.name.lower())
        yield here, Setting(_scalar(pair.value), file, document.line(pair.key.start))
        yield from _below(document, pair.value, here, file)
    for number, item in enumerate(node.items):
        here = (*path, str(number))
        yield here, Setting(_scalar(item.node), file, document.line(item.start))
        yield from _below(document, item.node, here, file)


def _scalar(node: Node) -> str:
    value = node.real.value if node.real.kind == "scalar" else None
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def from_words(words: Iterable[tuple[str, str, int | None]], prefix: str) -> Iterator[tuple[Path, Setting]]:
    """The settings of labels (prefix traefik.) or arguments (prefix --): words ``NAME=VALUE`` with file and line."""
    for word, file, line in words:
        name, _equals, value = word.partition("=")
        if name.startswith(prefix):
            dotted = _WORD.sub(r".\1", name[len(prefix) :].lower())
            yield tuple(dotted.split(".")), Setting(value, file, line)
