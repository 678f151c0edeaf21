"""A pull-only registry over the folder that it lies in: the part of the OCI distribution API that `podman pull` asks for.

usage: registry.py [PORT]     (127.0.0.1, plain HTTP, 5000 by default)
"""

from __future__ import annotations

import http.server
import json
import pathlib
import re
import signal
import sys

HERE = pathlib.Path(__file__).resolve().parent
REQUEST = re.compile(
    r"/v2/(?P<name>[a-z0-9]+(?:[._/-][a-z0-9]+)*)/(?P<kind>manifests|blobs)/(?:sha256:(?P<digest>[0-9a-f]{64})|(?P<tag>\w[\w.-]{0,127}))"
)


def find(folder: pathlib.Path, path: str) -> pathlib.Path | None:
    """The blob that a request's path names, or None. Any blob may be asked for under any name."""
    match = REQUEST.fullmatch(path)
    if not match:
        return None
    digest = match["digest"]
    if match["tag"]:
        tag = folder / "tags" / match["name"] / match["tag"]
        if match["kind"] == "blobs" or not tag.is_file():
            return None
        digest = tag.read_text().removeprefix("sha256:")
    blob = folder / "blobs" / "sha256" / str(digest)
    return blob if blob.is_file() else None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        if self.path in ("/v2", "/v2/"):
            self._send(200, "application/json", b"{}", with_body)
            return
        blob = find(HERE, self.path)
        if blob is None:
            body = json.dumps(
                {"errors": [{"code": "MANIFEST_UNKNOWN", "message": f"this stand-in registry has no {self.path}"}]}
            ).encode()
            self._send(404, "application/json", body, with_body)
        elif "/manifests/" in self.path:
            body = blob.read_bytes()
            self._send(200, json.loads(body)["mediaType"], body, with_body, digest=f"sha256:{blob.name}")
        else:
            self._send_file(blob, with_body)

    def _send(self, status: int, media_type: str, body: bytes, with_body: bool, digest: str | None = None) -> None:
        self._head(status, media_type, len(body), digest)
        if with_body:
            self.wfile.write(body)

    def _send_file(self, blob: pathlib.Path, with_body: bool) -> None:
        self._head(200, "application/octet-stream", blob.stat().st_size, f"sha256:{blob.name}")
        if with_body:
            with blob.open("rb") as stream:
                self.wfile.flush()
                self.connection.sendfile(stream)

    def _head(self, status: int, media_type: str, length: int, digest: str | None) -> None:
        self.send_response(status)
        self.send_header("Docker-Distribution-API-Version", "registry/2.0")
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(length))
        if digest:
            self.send_header("Docker-Content-Digest", digest)
        self.end_headers()


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main()
