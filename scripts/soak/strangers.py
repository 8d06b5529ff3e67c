"""Who comes only to break: clients that vanish, say nothing, read nothing, send nonsense, or come all at once."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Mapping
from random import Random
from urllib.parse import urlsplit

from scripts.soak.doors import Case, Refused, Space, body, client, openai_whole
from scripts.soak.visitors import CASES, Visit, difference

LONG, SHORT = CASES[-1], CASES[0]
SILENCE = 30.0  # seconds in which the server has to close a connection that says nothing
DEAF = 12.0  # seconds that a client reads nothing
FLOOD = 40
TYPE = {"Content-Type": "application/json"}
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
Texts = Mapping[Case, str]
Stranger = Callable[[Space, Texts, Random], Awaitable[Visit]]

NONSENSE = [
    b"", b"{", b"7", b"[" * 20_000, b'{"messages": 7}', b'{"messages": []}', b"\xff\xfe", b'{"data": []}',
    b'{"data": [{"message": 7}]}', b'{"messages": [{"role": "user", "content": "\\ud800"}]}',
    b'{"messages": [{"role": "user", "content": "hi"}], "temperature": 1e999}',
    b'{"messages": [{"role": "user", "content": "hi"}], "max_tokens": "many"}',
    b'{"messages": [{"role": "user", "content": "hi"}], "model": "none"}',
    b'{"messages": [{"role": "user", "content": "hi"}], "n": 2}',
    b'{"data": ["hi"], "fn_index": 999, "session_hash": "x"}', b'{"data": [7], "fn_index": 0, "session_hash": {}}',
    b'{"message": "hi", "temperature": "warm"}', b'{"message": ""}', b'{"jsonrpc": "2.0", "id": {}, "method": "ping"}',
    json.dumps({**CALL, "params": {"name": "chat", "arguments": {"message": 7}}}).encode(),
    json.dumps({**CALL, "params": {"name": "none", "arguments": {}}}).encode(),
]  # fmt: skip
PATHS = ["/v1/chat/completions", "/v1/completions", "/v1/none", "/mcp", "/gradio_api/queue/join", "/gradio_api/cancel",
         "/gradio_api/call/chat", "/gradio_api/call/v2/chat", "/gradio_api/run/chat", "/gradio_api/upload"]  # fmt: skip


async def nonsense(space: Space, texts: Texts, chance: Random) -> Visit:
    """A body that means nothing: the answer is never a fault of the server's."""
    path, sent = chance.choice(PATHS), chance.choice(NONSENSE)
    async with client(space) as asking:
        answer = await asking.post(path, content=sent, headers=TYPE)
    if answer.status_code < 500 or path.startswith("/gradio_api/"):  # by 500 Gradio tells any error
        return Visit(path, "nonsense", "answered")
    return Visit(path, "nonsense", "failed", f"{answer.status_code} for {sent[:80]!r}")


async def flood(space: Space, texts: Texts, chance: Random) -> Visit:
    """More at once than the queue takes: each is answered or refused."""
    case = SHORT

    async def one() -> str | None:
        try:
            return [text async for text in openai_whole(space, case)][-1]
        except Refused:
            return None

    answers = await asyncio.gather(*(one() for _ in range(FLOOD)))
    wrong = [text for text in answers if text is not None and text != texts[case]]
    if wrong:
        return Visit("openai", "flood", "differs", difference(wrong[0], texts[case]))
    return Visit("openai", "flood", "refused" if None in answers else "answered")


async def vanishes(space: Space, texts: Texts, chance: Random) -> Visit:
    """Goes at one of the stages of a request, with or without a word to the server's kernel."""
    sent = _request(space, chance)
    stages = [0, 20, sent.index(b"\r\n\r\n") + 4, len(sent) - 20, len(sent)]
    stage = chance.randrange(len(stages) + 1)
    reading, writing = await _connect(space)
    writing.write(sent[: stages[min(stage, len(stages) - 1)]])
    await writing.drain()
    if stage == len(stages):
        await reading.read(200)
    await asyncio.sleep(chance.expovariate(5))
    if chance.random() < 0.5:  # a reset instead of an end
        writing.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writing.close()
    return Visit("http", "vanishes", "left")


async def silent(space: Space, texts: Texts, chance: Random) -> Visit:
    """Says half of a request's head, and waits for the server to close."""
    reading, writing = await _connect(space)
    writing.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: loc"[: chance.choice([0, 20, 60])])
    began = time.monotonic()
    try:
        async with asyncio.timeout(SILENCE):
            await reading.read()
    except TimeoutError:
        return Visit("http", "silent", "failed", f"its connection is open after {SILENCE:.0f} s")
    except ConnectionError:
        pass
    finally:
        writing.close()
    return Visit("http", "silent", "answered", f"closed after {time.monotonic() - began:.0f} s")


async def deaf(space: Space, texts: Texts, chance: Random) -> Visit:
    """Asks for a long stream, and reads nothing of it."""
    _, writing = await _connect(space, limit=1024)
    writing.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    writing.transport.pause_reading()
    writing.write(_post(space, "/v1/chat/completions", body(LONG, stream=True)))
    await asyncio.sleep(DEAF)
    writing.close()
    return Visit("http", "deaf", "left")


async def unread(space: Space, texts: Texts, chance: Random) -> Visit:
    """Makes a call of Gradio's, whose stream it never opens."""
    async with client(space) as asking:
        sent = {"message": LONG.message, **LONG.sampling}
        status = (await asking.post("/gradio_api/call/v2/chat", json=sent)).status_code
    return Visit("gradio", "unread", "left" if status == 200 else "failed", f"{status}")


STRANGERS: dict[Stranger, tuple[int, float]] = {  # how often, and the seconds that it may take
    nonsense: (10, 1.0), vanishes: (10, 3.0), flood: (1, 8.0), silent: (1, SILENCE), deaf: (1, DEAF), unread: (1, 40.0)
}  # fmt: skip


def _request(space: Space, chance: Random) -> bytes:
    message = {"name": "chat", "arguments": {"message": LONG.message, **LONG.sampling}}
    question = {"id": "x", "message": SHORT.message, "sampling": SHORT.sampling}  # its messages wait for half a minute
    session = str(chance.random())
    return _post(space, *chance.choice([
        ("/v1/chat/completions", body(LONG, stream=True)),
        ("/v1/chat/completions", body(LONG, stream=False)),
        ("/mcp", {**CALL, "params": message}),
        ("/gradio_api/queue/join", {"data": [question], "fn_index": space.question, "session_hash": session}),
    ]))  # fmt: skip


def _post(space: Space, path: str, content: object) -> bytes:
    sent = json.dumps(content).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {urlsplit(space.url).netloc}\r\nContent-Type: application/json\r\n"
        f"Accept: application/json, text/event-stream\r\nContent-Length: {len(sent)}\r\n\r\n"
    )
    return head.encode() + sent


async def _connect(space: Space, limit: int = 65_536) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    found = urlsplit(space.url)
    return await asyncio.open_connection(found.hostname, found.port, limit=limit)
