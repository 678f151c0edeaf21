"""The server under the stand-ins."""

from __future__ import annotations

import http.client
import io
import json
import pathlib
import threading
from collections.abc import Iterator

import pytest
import web


def faults(value: object, version: str = "v1", file: str = "/nowhere") -> web.Faults:
    return web.Faults(version, json.dumps(value), file)


def test_faults_of_the_file_win_and_may_change(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "faults.json"
    found = web.Faults("v1", '{"a": 1}', str(file))
    assert found.get("a") == 1
    file.write_text('{"b": 2}')
    assert (found.get("a"), found.get("b")) == (None, 2)


def test_faults_of_one_version_leave_the_others_alone() -> None:
    value = {"only": "v2", "status": {"/": 500}}
    assert web.fault_status(faults(value, "v2"), "/x", 0) == 500
    assert web.fault_status(faults(value, "v1"), "/x", 0) == 0


def test_the_first_beginning_that_fits_decides() -> None:
    """So ping can be fine while everything else is dead; a naive one takes any match or the last."""
    found = faults({"status": {"/api/server/ping": 0, "/api/": 503}, "status_seconds": 5})
    assert web.fault_status(found, "/api/server/ping", 1) == 0
    assert web.fault_status(found, "/api/server/version", 1) == 503
    assert web.fault_status(found, "/api/server/version", 6) == 0


@pytest.mark.parametrize("pieces", ([b"hello"], [b"he", b"llo"], [b""]))
def test_bodies_in_chunks(pieces: list[bytes]) -> None:
    """Podman, curl and browsers send uploads of unknown length so; a naive server waits for a length that never comes."""
    sent = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece) + b"0\r\n\r\nnext"
    stream = io.BytesIO(sent)
    assert web.Body(stream, None).read_all() == b"".join(pieces)
    assert stream.read() == b"next"


def test_a_body_that_breaks_off_is_no_body() -> None:
    with pytest.raises(ConnectionError):
        web.Body(io.BytesIO(b"half"), 8).read_all()


def application(request: web.Request) -> web.Answer:
    if request.path == "/broken":
        raise KeyError("something")
    if request.path == "/tagged":
        return web.cacheable(request, b"content", "text/plain")
    return web.as_json({"method": request.method, "size": len(request.body.read_all())})


@pytest.fixture
def connection() -> Iterator[http.client.HTTPConnection]:
    server = web.Server(0, application, faults({}), "127.0.0.1")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)
    yield client
    client.close()
    server.shutdown()
    server.server_close()


def ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | Iterator[bytes] | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, bytes, str | None]:
    connection.request(
        method, path, body, headers or {}, encode_chunked=headers is not None and "Transfer-Encoding" in headers
    )
    answer = connection.getresponse()
    return answer.status, answer.read(), answer.headers.get("ETag")


def test_one_connection_carries_many_requests(connection: http.client.HTTPConnection) -> None:
    """An answer with a wrong length, or a body left unread, breaks the request after it."""
    assert ask(connection, "HEAD", "/")[:2] == (200, b"")
    status, _body, tag = ask(connection, "GET", "/tagged")
    assert status == 200 and tag
    assert ask(connection, "GET", "/tagged", headers={"If-None-Match": tag})[:2] == (304, b"")
    assert ask(connection, "GET", "/broken")[0] == 500
    assert ask(connection, "PUT", "/tagged", b"unread")[0] == 200
    assert (
        json.loads(ask(connection, "PUT", "/", iter([b"ab", b"c"]), {"Transfer-Encoding": "chunked"})[1])["size"] == 3
    )
