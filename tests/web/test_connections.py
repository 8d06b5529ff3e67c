"""Connections that don't move on, on a real server: they are closed, and to the app their clients have gone."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from streamspace.web import connections
from tests.running import free_port


class Site:
    """A server with a page that never ends, and one that reads what it is sent."""

    def __init__(self) -> None:
        self.port = free_port()
        self.ended: list[str] = []
        page: Any = SimpleNamespace(server=None)
        routes = [Route("/endless", self.endless), Route("/read", self.read, methods=["POST"])]
        app = Starlette(routes=routes, lifespan=connections.watching(page))
        page.server = self.server = uvicorn.Server(uvicorn.Config(app, port=self.port, log_level="error"))
        threading.Thread(target=self.server.run, daemon=True).start()
        while not self.server.started:
            time.sleep(0.01)

    async def endless(self, request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"x" * 100_000
                    await asyncio.sleep(0)
            finally:
                self.ended.append("endless")

        return StreamingResponse(pieces())

    async def read(self, request: Request) -> Response:
        return PlainTextResponse(str(len(await request.body())))

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def open(self) -> int:
        return len(self.server.server_state.connections)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(connections, "INTERVAL", 0.05)
    monkeypatch.setattr(connections, "DEADLINES", {"sending": 0.5, "receiving": 0.5, "idle": 0.5})
    running = Site()
    yield running
    running.server.should_exit = True


def closed(connection: socket.socket) -> bool:
    try:
        while connection.recv(65_536):
            pass
    except ConnectionResetError:
        pass
    return True


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Part",
        b"POST /read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nonly this",
    ],
    ids=["nothing", "half a head", "half a body"],
)
def test_a_client_that_sends_no_more_is_closed(site: Site, sent: bytes) -> None:
    with site.connect() as connection:
        connection.sendall(sent)
        began = time.monotonic()
        assert closed(connection)
        assert 0.4 < time.monotonic() - began < 5


def test_a_client_that_begins_another_request_and_stops_is_closed(site: Site) -> None:
    with site.connect() as connection:
        connection.sendall(b"POST /read HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET / HT")
        assert closed(connection)


def test_a_client_that_does_not_read_has_gone(site: Site) -> None:
    with site.connect() as connection:
        connection.sendall(b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until = time.monotonic() + 10
        while not site.ended and time.monotonic() < until:
            time.sleep(0.05)
        assert site.ended == ["endless"]


def test_a_client_that_reads_slowly_is_served(site: Site) -> None:
    with site.connect() as connection:
        connection.sendall(b"GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            time.sleep(0.002)
            assert connection.recv(65_536)
        assert site.ended == []


def test_hundreds_of_silent_connections_do_not_stay(site: Site) -> None:
    silent = [site.connect() for _ in range(300)]
    until = time.monotonic() + 10
    while site.open() and time.monotonic() < until:
        time.sleep(0.05)
    assert site.open() == 0
    for connection in silent:
        connection.close()
