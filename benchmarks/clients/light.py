"""The light client, the same for every system: a streamed chat by OpenAI's API, over a bare HTTP connection.

While replies come it notes bytes and moments only, and reads them when all are complete: it shares the cores with what
it measures.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from threading import Barrier, Event
from typing import Any

PATIENCE = 600.0  # seconds without a byte
LOOK = 0.1  # seconds between two requests that look for a stall
Arrivals = list[tuple[float, bytes]]  # seconds after the request


@dataclass(frozen=True)
class Question:
    """What one visitor asks: a conversation, and the largest number of tokens of the reply."""

    messages: Sequence[Mapping[str, str]]
    tokens: int
    visitor: str = "1"

    def body(self, model: str) -> bytes:
        """The request."""
        asked = {"model": model, "messages": self.messages, "max_tokens": self.tokens, "prompt_cache_key": self.visitor}
        asked |= {"temperature": 0, "stream": True, "stream_options": {"include_usage": True}}
        return json.dumps(asked).encode()


@dataclass
class Reply:
    """A reply as it came: its text, the seconds after the request of each piece of it, its size, the server's count."""

    text: str = ""
    times: list[float] = field(default_factory=list)
    bytes: int = 0
    usage: dict[str, Any] = field(default_factory=dict)

    @property
    def first(self) -> float:
        """Seconds until the first text. Raises RuntimeError where none came."""
        if not self.times:
            raise RuntimeError("the reply has no text")
        return self.times[0]

    @property
    def longest_gap(self) -> float:
        return max((later - before for before, later in zip(self.times, self.times[1:], strict=False)), default=0.0)


def replies(port: int, model: str, questions: Sequence[Question]) -> list[Reply]:
    """Sends all questions at the same moment; returns when all replies are complete. Raises RuntimeError."""
    connections = [_connected(port) for _ in questions]
    asked = zip(connections, questions, strict=True)
    return [*map(read, together([partial(_all, each, question.body(model)) for each, question in asked]))]


def together(asks: Sequence[Callable[[], Arrivals]]) -> list[Arrivals]:
    """What comes of all of them, begun at the same moment."""
    begun = Barrier(len(asks), timeout=60)

    def wait(ask: Callable[[], Arrivals]) -> Arrivals:
        begun.wait()
        return ask()

    with ThreadPoolExecutor(len(asks)) as threads:
        return list(threads.map(wait, asks))


@contextmanager
def stalls(port: int) -> Iterator[list[float]]:
    """The seconds that each of many small requests waits meanwhile: what keeps the event loop from answering."""
    found, over = [0.0], Event()

    def ask() -> None:
        with closing(_connected(port)) as connection:
            while not over.wait(LOOK):
                began = time.perf_counter()
                connection.request("GET", "/livez")  # a server that knows no such address answers as soon
                connection.getresponse().read()
                found.append(time.perf_counter() - began)

    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(ask)
        yield found
        over.set()
        asked.result()


def leave(port: int, model: str, question: Question) -> None:
    """Asks, and closes the connection when the first text has come."""
    come = Arrivals()
    with closing(_arrivals(_connected(port), question.body(model))) as arrivals:
        while not read(come).text:
            come.append(next(arrivals))


def _connected(port: int) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.connect()
    return connection


def _all(connection: http.client.HTTPConnection, body: bytes) -> Arrivals:
    return list(_arrivals(connection, body))


def _arrivals(connection: http.client.HTTPConnection, body: bytes) -> Generator[tuple[float, bytes], None, None]:
    began = time.perf_counter()
    connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
    with closing(connection), connection.getresponse() as response:
        if response.status != http.HTTPStatus.OK:
            raise RuntimeError(f"{response.status}: {response.read(500)!r}")
        while data := response.read1():
            yield time.perf_counter() - began, data


def read(arrivals: Iterable[tuple[float, bytes]]) -> Reply:
    """What the bytes say. Raises RuntimeError where the server tells of an error."""
    reply, rest = Reply(), b""
    for moment, data in arrivals:
        reply.bytes += len(data)
        *lines, rest = (rest + data).split(b"\n")
        told = [json.loads(line[6:]) for line in lines if line.startswith(b"data: {")]
        if refused := next((each["error"] for each in told if "error" in each), None):
            raise RuntimeError(f"the server says {refused}")
        if text := "".join(map(_text, told)):
            reply.text += text
            reply.times.append(moment)
        reply.usage = next((each["usage"] for each in told if each.get("usage")), reply.usage)
    return reply


def _text(event: Mapping[str, Any]) -> str:
    parts = (choice["delta"] for choice in event["choices"])
    return "".join(part.get("reasoning_content") or part.get("content") or "" for part in parts)
