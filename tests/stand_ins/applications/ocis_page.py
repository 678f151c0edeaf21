"""The web client of the stand-in for oCIS: a white page until all its modules are there, then a login and a list of files."""

from __future__ import annotations

import json
import pathlib
import string

import modules

HERE = pathlib.Path(__file__).resolve().parent
CHUNKS = 64
STYLE, CODE, LOGO = ((HERE / name).read_text() for name in ("ocis.css", "ocis.js", "owncloud.svg"))
PAGE = string.Template((HERE / "ocis.html").read_text())


def assets(version: str) -> dict[str, tuple[str, bytes]]:
    """Path -> media type and content."""
    found = {
        f"/js/chunks/part-{number}-{modules.hashed(version, str(number))}.mjs": (
            "text/javascript",
            modules.module("oCIS", version, number),
        )
        for number in range(CHUNKS)
    }
    code = CODE.replace("CHUNK_PATHS", json.dumps(list(found)))
    found[f"/js/index-{modules.hashed(version, 'index')}.mjs"] = ("text/javascript", code.encode())
    return found


def index(version: str) -> str:
    start = f"/js/index-{modules.hashed(version, 'index')}.mjs"
    return PAGE.substitute(version=version, style=STYLE, start=start, logo=LOGO)
