"""Runs a stand-in's program as its container would, and asks it over HTTP."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "applications")]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: Any) -> None:
        return None


OPENER = urllib.request.build_opener(NoRedirect)


class Reply:
    def __init__(self, answer: Any) -> None:
        self.status, self.headers, self.body = answer.status, answer.headers, answer.read()

    def json(self) -> Any:
        return json.loads(self.body)


class Program:
    """A running stand-in."""

    def __init__(self, command: list[str], environment: dict[str, str], port: int, log: pathlib.Path) -> None:
        self.port, self.log = port, log
        with log.open("w") as stream:
            self.process = subprocess.Popen(
                command,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )

    def wait(self) -> Program:
        """Until it listens; its own words where it ends instead."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError(f"it ended with {self.process.returncode}: {self.log.read_text()}")
            if self.listens():
                return self
            time.sleep(0.05)
        raise AssertionError(f"it does not listen: {self.log.read_text()}")

    def listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def ended(self) -> str:
        """Waits for its end and returns what it said."""
        self.process.wait(timeout=30)
        return self.log.read_text()

    def ask(self, path: str, data: Any = None, method: str | None = None, **headers: str) -> Reply:
        body = data if data is None or isinstance(data, bytes) else json.dumps(data).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=body, method=method)
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        try:
            with OPENER.open(request, timeout=10) as answer:
                return Reply(answer)
        except urllib.error.HTTPError as answer:
            return Reply(answer)

    def stop(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(timeout=20)


Start = Callable[..., Program]


@pytest.fixture
def start(tmp_path: pathlib.Path) -> Iterator[Start]:
    """start(PROGRAM, PORT, NAME=VALUE...) runs applications/PROGRAM.py; it is ended after the test."""
    running: list[Program] = []

    def run(program: str, port: int, *arguments: str, **environment: str) -> Program:
        command = [sys.executable, str(HERE / "applications" / f"{program}.py"), *arguments]
        running.append(Program(command, environment, port, tmp_path / f"{program}-{len(running)}.log"))
        return running[-1]

    yield run
    for program in running:
        program.stop()


@pytest.fixture
def port() -> int:
    return free_port()
