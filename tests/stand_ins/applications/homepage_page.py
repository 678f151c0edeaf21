"""The page of the stand-in for Homepage: tiles with their state, asked for by the browser as Homepage's page does."""

from __future__ import annotations

import html
import json
import pathlib
import string
from typing import Any

HERE = pathlib.Path(__file__).resolve().parent
STYLE, CODE = ((HERE / f"homepage.{kind}").read_text() for kind in ("css", "js"))
PAGE = string.Template((HERE / "homepage.html").read_text())
# Own drawings: the real page fetches its icons from the internet.
ICONS = {path.stem: path.read_text() for path in HERE.glob("*.svg")}

Item = dict[str, Any]


def render(version: str, settings: Item, invalid: list[Item], bookmarks: list[Item], widgets: list[Item]) -> str:
    """The dashboard; where a file is invalid, that in its place, with whatever the lines around the fault hold."""
    title = html.escape(str(settings.get("title") or "Homepage"))
    bars = '<div id="resources"></div>' if any("resources" in widget for widget in widgets) else ""
    dashboard = f'<header><h1>{title}</h1>{bars}<time></time></header><div id="groups"></div>'
    dashboard += "".join(map(bookmark_group, bookmarks))
    return PAGE.substitute(
        title=title,
        version=html.escape(version),
        style=STYLE,
        content="".join(map(fault, invalid)) or dashboard,
        script="" if invalid else f"<script>const ICONS = {json.dumps(ICONS)};{CODE}</script>",
    )


def fault(item: Item) -> str:
    file, reason, message = (html.escape(item[name]) for name in ("config", "reason", "message"))
    return f'<div class="invalid"><b>{file}</b><br>{reason}<pre>{message}</pre></div>'


def bookmark_group(group: Item) -> str:
    name, entries = next(iter(group.items()))
    marks = (mark for entry in entries if isinstance(entry, dict) for mark in entry.items())
    return f'<section><h2>{html.escape(name)}</h2><div class="marks">{"".join(map(bookmark, marks))}</div></section>'


def bookmark(mark: tuple[str, list[Item]]) -> str:
    name, (target, *_more) = mark
    short, href = (html.escape(str(target.get(key, ""))) for key in ("abbr", "href"))
    return f'<a href="{href}"><b>{short}</b>{html.escape(name)}</a>'
