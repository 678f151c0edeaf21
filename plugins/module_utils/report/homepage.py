# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tiles of a hand-kept services.yaml: what mends Immich's, and which others only look as if they checked something."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ..homepage.widgets import version_for
from ..yaml_text import nodes, reader
from ..yaml_text.nodes import Document, Node
from .applications import Change, Finding

_PING = "/api/server/ping"


class Tile(NamedTuple):
    """A tile, the groups that it is in, and what it says."""

    groups: tuple[str, ...]
    name: str
    line: int
    says: dict[str, Any]


class Mended(NamedTuple):
    """What one tile shall say, in the words of the module homepage_service."""

    group: str
    name: str
    set: dict[str, Any]
    unset: list[str]


class Looked(NamedTuple):
    """What was found in a services file."""

    mended: list[Mended]
    changes: list[Change]
    findings: list[Finding]


def look(path: str, text: str, immich: str | None, homepage: str) -> Looked:
    """What to do about a file. ``immich`` is the version that runs, empty where unknown, None where there is no Immich."""
    looked = Looked([], [], [])
    document = reader.read(text)
    nodes.plain(document.root)  # A fault where aliases unfold to more than anybody means.
    for tile in _tiles(document):
        if immich is not None and _is_immich(tile):
            _mend(path, tile, immich, homepage, looked)
        elif _asks_a_url(tile):
            looked.findings.append(_ping_finding(path, tile))
    return looked


def _tiles(document: Document) -> Iterator[Tile]:
    def below(sequence: Node, groups: tuple[str, ...]) -> Iterator[Tile]:
        for item in sequence.real.items:
            for pair in item.node.real.pairs[:1]:
                value = pair.value.real
                if value.kind == "sequence":
                    yield from below(value, (*groups, pair.name))
                elif value.kind == "mapping" and groups:
                    yield Tile(groups, pair.name, document.line(item.start), nodes.plain(value))

    yield from below(document.root, ())


def _widget(tile: Tile) -> dict[str, Any]:
    widget = tile.says.get("widget")
    return widget if isinstance(widget, dict) else {}


def _listed(tile: Tile) -> list[dict[str, Any]]:
    """Immich's widgets in a tile that has a list of widgets."""
    several = tile.says.get("widgets")
    widgets = several if isinstance(several, list) else []
    return [one for one in widgets if isinstance(one, dict) and one.get("type") == "immich"]


def _is_immich(tile: Tile) -> bool:
    return _widget(tile).get("type") == "immich" or bool(_listed(tile)) or (tile.name.casefold() == "immich" and not _widget(tile))


def _asks_a_url(tile: Tile) -> bool:
    return "://" in str(tile.says.get("ping") or "")


def _ping_finding(path: str, tile: Tile) -> Finding:
    where = " / ".join(tile.groups)
    what = f'the tile "{tile.name}" of "{where}" has a URL in ping:, of which Homepage takes the host name alone: it stays green while the application is dead'
    return Finding("homepage", path, tile.line, what, "siteMonitor: with that URL")


def _base(tile: Tile) -> str:
    """Where Immich is, by the tile's own words and without a password."""
    for said in (_widget(tile).get("url"), tile.says.get("ping"), tile.says.get("siteMonitor")):
        try:
            url = urlsplit(str(said or ""))
            if url.hostname and url.scheme in ("http", "https"):
                return f"{url.scheme}://{url.hostname}{f':{url.port}' if url.port else ''}"
        except ValueError:
            continue
    return ""


def _mend(path: str, tile: Tile, immich: str, homepage: str, looked: Looked) -> None:
    wanted, unset, base = dict[str, Any](), list[str](), _base(tile)
    why = []
    if _widget(tile):
        version = version_for("immich", immich, homepage)
        if version is None:
            unset.append("widget")
            why.append(f"Homepage {homepage} has no widget for this Immich")
        elif str(_widget(tile).get("version")) != str(version):
            wanted["widget"] = {"version": version}
            why.append(f"Immich {immich or 'of today'} answers version {version} of the widget alone")
    elif any(str(one.get("version")) != str(version_for("immich", immich, homepage)) for one in _listed(tile)):
        what = f'the tile "{tile.name}" has a list of widgets, and Immich\'s lacks the version that fits'
        looked.findings.append(Finding("homepage", path, tile.line, what, f"version: {version_for('immich', immich, homepage)}"))
    if _asks_a_url(tile):
        unset.append("ping")
        why.append("a URL in ping: is never asked, and stays green while Immich is dead")
    if unset and base and not tile.says.get("siteMonitor"):
        wanted["siteMonitor"] = base + _PING
    if wanted or unset:
        looked.mended.append(Mended(" / ".join(tile.groups), tile.name, wanted, unset))
        said = [f"{key} is set" for key in _dotted(wanted)] + [f"{key} goes" for key in unset]
        looked.changes.append(Change("homepage", path, tile.line, f'the tile "{tile.name}": {", ".join(said)}', ", and ".join(why)))


def _dotted(wanted: dict[str, Any]) -> list[str]:
    return [f"widget.version: {value['version']}" if key == "widget" else f"{key}: {value}" for key, value in wanted.items()]
