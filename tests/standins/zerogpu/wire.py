"""The HTTP side of the stand-in: requests in as `Call`, answers out as `Reply`; it knows nothing of cards or quotas."""

from __future__ import annotations

import json
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Call:
    """One request as it arrived. `at` is `time.monotonic()`."""

    path: str
    params: dict[str, str]
    headers: dict[str, str]
    at: float


@dataclass
class Reply:
    """`body` is JSON, or an iterator of events, each sent as one HTTP chunk (the client parses chunk by chunk)."""

    status: int = 200
    body: dict[str, Any] | Iterator[str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


class Server:
    """Listens on the loopback, on the same port each time it is opened. `answer` returning None means: hang up."""

    def __init__(self, answer: Callable[[Call], Reply | None]) -> None:
        self._handler = type("AnsweringHandler", (Handler,), {"answer": staticmethod(answer)})
        self._server: ThreadingHTTPServer | None = None
        self.port = 0

    def open(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), self._handler)
        self._server.daemon_threads, self._server.block_on_close = True, False
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True, name="device-api").start()

    def close(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class Handler(BaseHTTPRequestHandler):
    answer: Callable[[Call], Reply | None]
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.close_connection = True  # the client makes a new connection for every call
        url = urlsplit(self.path)
        call = Call(url.path, dict(parse_qsl(url.query)), dict(self.headers.items()), time.monotonic())
        if (reply := type(self).answer(call)) is None:
            return
        body = reply.body
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        with suppress(ConnectionError):
            self._send_json(body) if isinstance(body, dict) else self._send_events(body)

    def _send_json(self, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _send_events(self, events: Iterator[str]) -> None:
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for event in events:
                if self._client_has_gone():
                    return
                data = event.encode()
                self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
            self.wfile.write(b"0\r\n\r\n")
        finally:
            events.close()

    def _client_has_gone(self) -> bool:
        readable, _, _ = select.select([self.connection], [], [], 0)
        return bool(readable) and self.connection.recv(1, socket.MSG_PEEK) == b""

    def log_message(self, format: str, *args: object) -> None:
        """Silent: `DeviceAPI.calls` is the record."""
