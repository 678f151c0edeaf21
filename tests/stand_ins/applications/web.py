"""The small HTTP server under the application stand-ins: threads, keep-alive, streamed bodies, websockets, and faults on demand.

An application is one function from a Request to an Answer.
"""

from __future__ import annotations

import contextlib
import dataclasses
import email.message
import hashlib
import http.server
import json
import os
import pathlib
import shutil
import signal
import socketserver
import sys
import time
import urllib.parse
from collections.abc import Callable
from typing import Any, Protocol

import websocket


def log(text: str) -> None:
    print(text, flush=True)


class Faults:
    """What is switched on from outside: JSON in the variable STAND_IN_FAULTS, or in a file that wins over it and may change at any time.

    ``only`` restricts all of them to one version, so that an upgrade can fail and the version before it still works.
    """

    def __init__(self, version: str, environment: str | None = None, file: str = "/stand-in/faults.json") -> None:
        self.version = version
        self.environment = os.environ.get("STAND_IN_FAULTS", "") if environment is None else environment
        self.file = pathlib.Path(file)

    def get(self, name: str, default: object = None) -> object:
        try:
            text = self.file.read_text()
        except OSError:
            text = self.environment
        faults = json.loads(text or "{}")
        return faults.get(name, default) if faults.get("only", self.version) == self.version else default


@dataclasses.dataclass
class Answer:
    status: int = 200
    body: bytes = b""
    media_type: str = "application/json; charset=utf-8"
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    file: pathlib.Path | None = None  # instead of a body
    talk: Callable[[websocket.WebSocket], None] | None = None  # a websocket's conversation, instead of a body


def as_json(value: object, status: int = 200, **headers: str) -> Answer:
    return Answer(status, json.dumps(value).encode(), headers=headers)


def as_text(text: str, status: int = 200, media_type: str = "text/html; charset=utf-8", **headers: str) -> Answer:
    return Answer(status, text.encode(), media_type, {name.replace("_", "-"): value for name, value in headers.items()})


class Refusal(Exception):
    """Raised anywhere below an application's function; its answer is sent."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Stream(Protocol):
    def read(self, size: int = ..., /) -> bytes: ...

    def readline(self) -> bytes: ...


class Body:
    """The request's body as a readable stream, whether its length is announced or it comes in chunks."""

    def __init__(self, stream: Stream, length: int | None) -> None:
        self.stream = stream
        self.chunked = length is None
        self.left = length or 0
        self.ended = length == 0

    def read(self, size: int = 1 << 20) -> bytes:
        if self.ended:
            return b""
        if self.chunked and self.left == 0:
            self.left = int(self.stream.readline().split(b";")[0], 16)
            if self.left == 0:
                while self.stream.readline().strip():
                    pass
                self.ended = True
                return b""
        data = self.stream.read(min(size, self.left))
        if not data:
            raise ConnectionError("the client went away inside its body")
        self.left -= len(data)
        if self.left == 0 and self.chunked:
            self.stream.readline()
        self.ended = self.left == 0 and not self.chunked
        return data

    def read_all(self) -> bytes:
        return b"".join(iter(self.read, b""))


class Request:
    def __init__(self, method: str, target: str, headers: email.message.Message, body: Body) -> None:
        parts = urllib.parse.urlsplit(target)
        self.method = method
        self.path = urllib.parse.unquote(parts.path)
        self.query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
        self.headers = headers
        self.body = body

    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body.read_all() or b"{}")
        return found


def by_path(faults: Faults, name: str, path: str) -> int:
    """What a fault that is a mapping of path beginnings says of this path: the first that fits, 0 where none does."""
    beginnings = faults.get(name, {})
    assert isinstance(beginnings, dict)
    return next((value for beginning, value in beginnings.items() if path.startswith(beginning)), 0)


def fault_status(faults: Faults, path: str, seconds_up: float) -> int:
    """The status that the fault ``status`` wants for this path, for ``status_seconds`` after the start; 0 for none."""
    return 0 if seconds_up > float(str(faults.get("status_seconds", "inf"))) else by_path(faults, "status", path)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    def serve(self) -> None:
        length = (
            None
            if "chunked" in self.headers.get("Transfer-Encoding", "")
            else int(self.headers.get("Content-Length", 0))
        )
        request = Request(self.command, self.path, self.headers, Body(self.rfile, length))
        answer = self.answer_to(request)
        if answer.talk:
            self.talk(answer)
            return
        while request.body.read():
            pass
        self.send(answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = serve
    do_PROPFIND = do_MKCOL = do_MOVE = serve

    def answer_to(self, request: Request) -> Answer:
        time.sleep(by_path(self.server.faults, "delay_seconds", request.path))
        status = fault_status(self.server.faults, request.path, time.monotonic() - self.server.started)
        if status:
            return as_json({"message": "this stand-in was told to fail", "statusCode": status}, status)
        try:
            return self.server.application(request)
        except Refusal as refusal:
            return refusal.answer
        except ConnectionError:
            raise
        except (OSError, ValueError, LookupError, TypeError) as problem:  # an application answers 500 and lives on
            log(f"{request.method} {request.path}: {type(problem).__name__}: {problem}")
            return as_json({"message": "Internal server error", "statusCode": 500}, 500)

    def send(self, answer: Answer) -> None:
        length = answer.file.stat().st_size if answer.file else len(answer.body)
        self.send_response(answer.status)
        for name, value in {"Content-Type": answer.media_type, "Content-Length": str(length), **answer.headers}.items():
            if answer.status not in (204, 304) or not name.startswith("Content-"):
                self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD" or answer.status in (204, 304):
            return
        if answer.file:
            with answer.file.open("rb") as stream:
                shutil.copyfileobj(stream, self.wfile)
        else:
            self.wfile.write(answer.body)

    def talk(self, answer: Answer) -> None:
        assert answer.talk
        self.send_response(101)
        for name, value in websocket.accepting(self.headers["Sec-WebSocket-Key"]).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.flush()
        self.close_connection = True
        answer.talk(websocket.WebSocket(self.rfile, self.connection))

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle()

    def version_string(self) -> str:
        return "stand-in"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        if isinstance(code, int) and code >= 400:
            log(f"{self.command} {self.path} -> {code}")


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(
        self, port: int, application: Callable[[Request], Answer], faults: Faults, host: str = "0.0.0.0"
    ) -> None:
        self.application, self.faults, self.started = application, faults, time.monotonic()
        super().__init__((host, port), Handler)

    def server_bind(self) -> None:
        """Without asking DNS for this host's name, as the standard library would."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "stand-in", self.server_address[1]


def start(product: str, faults: Faults) -> None:
    """What every stand-in does first: say what it is, take SIGTERM, be as slow as it was told to be."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    log(f"stand-in for {product} {faults.version}: made for tests, this is not {product}")
    time.sleep(float(str(faults.get("start_seconds", 0))))


def etag(data: bytes) -> str:
    return f'"{hashlib.sha256(data).hexdigest()[:20]}"'


def cacheable(request: Request, data: bytes, media_type: str, **headers: str) -> Answer:
    """The data with an entity tag, or 304 where the client has it already."""
    tag = etag(data)
    status = 304 if request.headers.get("If-None-Match") == tag else 200
    return Answer(status, data, media_type, {"ETag": tag, **headers})
