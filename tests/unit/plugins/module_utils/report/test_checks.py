# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an application is asked: at the address and port that its unit publishes."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils.report import checks

from .hand_written import found


@pytest.mark.parametrize(
    ("publish", "address", "port"),
    [
        ("2283:2283", "127.0.0.1", 2283),
        ("8080:2283/tcp", "127.0.0.1", 8080),
        ("0.0.0.0:8080:2283", "127.0.0.1", 8080),
        ("[::]:8080:2283", "127.0.0.1", 8080),
        ("192.168.1.10:8080:2283", "192.168.1.10", 8080),
        ("[fd00::10]:8080:2283", "fd00::10", 8080),
    ],
)
def test_the_address_that_is_published_is_asked(tmp_path: Path, publish: str, address: str, port: int) -> None:
    """127.0.0.1 for all of them fails the last two: nobody listens there."""
    unit = f"[Container]\nImage=ghcr.io/immich-app/immich-server:v2.3.1\nPublishPort={publish}\n"
    (one,) = found(tmp_path, {"immich.container": unit})["immich"]
    assert checks.door(None, None, {}, one, 2283) == checks.Door(address, port, "localhost", False)


class _Pong(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"pong")

    def log_message(self, *_arguments: object) -> None:
        """Nothing."""


@pytest.fixture
def elsewhere() -> Iterator[int]:
    """The port of a server that listens at another address of this host than the usual one."""
    server = http.server.HTTPServer(("127.0.0.2", 0), _Pong)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_the_question_goes_to_that_address(elsewhere: int) -> None:
    assert checks.ask(checks.Door("127.0.0.2", elsewhere, "localhost", False), "/") == (200, "pong")
    assert checks.ask(checks.Door("127.0.0.1", elsewhere, "localhost", False), "/")[0] == 0
