"""Stand-in for Immich's machine learning: answers /ping on port 3003, keeps /cache, learns nothing."""

from __future__ import annotations

import os
import pathlib

import web


def answer(request: web.Request) -> web.Answer:
    if request.path == "/ping":
        return web.as_text("pong", media_type="text/plain; charset=utf-8")
    if request.path == "/":
        return web.as_json({"message": "stand-in for Immich ML"})
    if request.path == "/predict" and request.method == "POST":
        return web.as_json({"imageHeight": 1, "imageWidth": 1})
    return web.as_json({"detail": "Not Found"}, 404)


def main() -> None:
    faults = web.Faults(os.environ["STAND_IN_VERSION"])
    web.start("Immich machine learning", faults)
    cache = pathlib.Path(os.environ.get("MACHINE_LEARNING_CACHE_FOLDER", "/cache"))
    cache.mkdir(parents=True, exist_ok=True)
    (cache / "stand-in").touch()
    web.log("listening on port 3003")
    web.Server(3003, answer, faults).serve_forever()


if __name__ == "__main__":
    main()
