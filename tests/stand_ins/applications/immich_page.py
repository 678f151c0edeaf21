"""The stand-in's web application: a page that loads some hundred modules with hashed names, as Immich's does."""

from __future__ import annotations

import json
import pathlib
import string

import modules

HERE = pathlib.Path(__file__).resolve().parent
CHUNKS = 118
STYLE, START, LOGO = ((HERE / f"immich.{kind}").read_text() for kind in ("css", "js", "svg"))
PAGE = string.Template((HERE / "immich.html").read_text())


def assets(version: str) -> dict[str, tuple[str, bytes]]:
    """Path -> media type and content. Nothing of one version is found under a name of another."""
    found = {}
    for number in range(CHUNKS):
        folder = "nodes" if number < 40 else "chunks"
        path = f"/_app/immutable/{folder}/{number}.{modules.hashed(version, str(number))}.js"
        found[path] = ("text/javascript", modules.module("Immich", version, number))
    start = START.replace("MODULES", json.dumps(list(found)))
    found[f"/_app/immutable/assets/app.{modules.hashed(version, 'style')}.css"] = ("text/css", STYLE.encode())
    found[f"/_app/immutable/entry/start.{modules.hashed(version, 'start')}.js"] = ("text/javascript", start.encode())
    return found


def index(version: str) -> str:
    paths = assets(version)
    style = next(path for path in paths if path.endswith(".css"))
    start = next(path for path in paths if "/entry/start." in path)
    preloads = "".join(f'<link rel="modulepreload" href="{path}">\n' for path in paths if path.endswith(".js"))
    return PAGE.substitute(version=version, style=style, start=start, preloads=preloads, logo=LOGO)
