"""The smoke test of a live Space, against an app that is replaced while it is asked."""

from __future__ import annotations

import json
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from streamspace.deploy import smoke
from tests.reply.test_pipeline import CONFIG

RESET = struct.pack("ii", 1, 0)  # close at once, and tell the other side


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("is_reset", [True, False])
def test_an_app_that_ends_before_it_answers_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, method: str, is_reset: bool
) -> None:
    monkeypatch.setattr(smoke.time, "sleep", lambda seconds: None)
    ends = [method]

    class App(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            said = b'event: complete\ndata: ["Hello"]\n\n'
            self.answer(json.dumps({"named_endpoints": {"/chat": {}}}).encode() if "info" in self.path else said)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.answer(b'{"event_id": "1"}')

        def answer(self, content: bytes) -> None:
            if self.command in ends:
                ends.remove(self.command)
                if is_reset:
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *given: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), App)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    told: list[str] = []
    try:
        answer = smoke.ask(f"http://127.0.0.1:{server.server_port}", CONFIG, told.append)
    finally:
        server.shutdown()
        server.server_close()
    assert answer
    assert answer.text == "Hello"
    assert [line.strip() for line in told] == ["waiting for the app to answer"]
    assert not ends
