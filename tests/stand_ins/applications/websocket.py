"""The server's side of RFC 6455, as far as text messages and a clean end need it."""

from __future__ import annotations

import base64
import hashlib
import socket
import struct
from typing import Protocol

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


def accepting(key: str) -> dict[str, str]:
    """The headers of the 101 answer to a client's key."""
    digest = hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    return {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": base64.b64encode(digest).decode()}


class Stream(Protocol):
    def read(self, size: int = ..., /) -> bytes: ...


class WebSocket:
    def __init__(self, stream: Stream, connection: socket.socket) -> None:
        self.stream = stream
        self.connection = connection

    def send(self, text: str) -> None:
        self._send(TEXT, text.encode())

    def receive(self) -> str | None:
        """The next text message; None when the client ends the conversation."""
        while True:
            opcode, data = self._frame()
            if opcode == CLOSE:
                self._send(CLOSE, data[:2])
                return None
            if opcode == PING:
                self._send(PONG, data)
            elif opcode == TEXT:
                return data.decode()

    def close(self) -> None:
        self._send(CLOSE, struct.pack("!H", 1000))

    def _send(self, opcode: int, data: bytes) -> None:
        if len(data) < 126:
            head = bytes([0x80 | opcode, len(data)])
        else:
            head = bytes([0x80 | opcode, 126]) + struct.pack("!H", len(data))
        self.connection.sendall(head + data)

    def _frame(self) -> tuple[int, bytes]:
        first, second = self._exactly(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", self._exactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self._exactly(8))
        mask = self._exactly(4) if second & 0x80 else bytes(4)
        data = self._exactly(length)
        return first & 0x0F, bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))

    def _exactly(self, count: int) -> bytes:
        data = self.stream.read(count)
        if len(data) < count:
            raise ConnectionError("the client went away")
        return data
