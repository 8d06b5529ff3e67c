"""A server on the loopback that speaks OpenAI's chat API as a test tells it to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[["Exchange"], None]


def delta(content: str | None = None, finish: str | None = None, **fields: Any) -> dict[str, Any]:
    """One chunk of a streamed reply."""
    return {"choices": [{"index": 0, "delta": {"content": content, **fields}, "finish_reason": finish}]}


def usage(tokens: int) -> dict[str, Any]:
    """The chunk that counts the tokens."""
    return {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": tokens, "total_tokens": 5 + tokens}}


def words(*texts: str, finish: str | None = "stop", pause: float = 0.0, tokens: int | None = None) -> Answer:
    """Streams these texts, and the end."""

    def answer(exchange: Exchange) -> None:
        for text in texts:
            exchange.send(delta(text))
            time.sleep(pause)
        if finish:
            exchange.send(delta(finish=finish))
        if tokens is not None:
            exchange.send(usage(tokens))

    return answer


def refusal(status: int) -> Answer:
    """Answers with an error."""
    return lambda exchange: exchange.refuse(status)


class Exchange(BaseHTTPRequestHandler):
    """One request; its answer is the server's next, and the last one again after that."""

    server: ChatServer
    ends, cut = "\n", 0  # of a line, and of each chunk's first piece, in bytes

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append({"path": self.path, "key": self.headers["Authorization"], **body})
        answers = self.server.answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        self._begun = False
        try:
            answer(self)
            if self._begun:
                self.wfile.write(b"data: [DONE]\n\n")
        except OSError:
            self.server.hung_up.set()

    def send(self, chunk: dict[str, Any]) -> None:
        """Streams one chunk. Raises OSError when the client has gone."""
        if not self._begun:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            self._begun = True
        line = f"data: {json.dumps(chunk, ensure_ascii=False)}{self.ends}{self.ends}".encode("utf-8", "replace")
        for piece in (line[: self.cut], line[self.cut :]):  # servers send UTF-8, and networks cut it anywhere
            self.wfile.write(piece)
            self.wfile.flush()

    def refuse(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


class ChatServer(ThreadingHTTPServer):
    """`answers` are given in turn; `asked` holds what came; `hung_up` is set when a client has closed a stream."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.answers: list[Answer] = []
        self.asked: list[dict[str, Any]] = []
        self.hung_up = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1"


def serve() -> Iterator[ChatServer]:
    """Runs one for as long as a test lasts."""
    with ChatServer() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server
        server.shutdown()
