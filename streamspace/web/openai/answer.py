"""Writes a reply to a client of OpenAI's API, whole or as a stream, and ends it when the client has gone."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import anyio
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from streamspace.events import Part
from streamspace.web.openai import errors
from streamspace.web.openai.forms import Envelope, Texts
from streamspace.web.openai.steps import Step, Steps

SILENCE = 5.0  # seconds without a word, after which proxies might give up
WAITING = b": waiting\n\n"
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


class Answer:
    """The answer to one request: a reply's `steps` after what had `begun`, in an `envelope`. An ASGI application."""

    def __init__(self, steps: Steps, envelope: Envelope, begun: tuple[Part, ...], streams: bool, counts: bool) -> None:
        self._steps = steps
        self._envelope = envelope
        self._begun = Texts.of(begun)
        self._streams = streams
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""

        async def until_gone() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks, aclosing(self._steps):
            tasks.start_soon(until_gone)
            await (self._stream if self._streams else self._whole)(scope, receive, send)
            tasks.cancel_scope.cancel()

    async def _whole(self, scope: Scope, receive: Receive, send: Send) -> None:
        now = Step(None, None)
        try:
            async for step in self._steps:
                now = step
            assert now.end
            response = JSONResponse(self._envelope.whole((now.texts or Texts()).after(self._begun), now.end))
        except Exception as error:
            response = errors.response(error)
        await response(scope, receive, send)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The status is sent with the first piece, so that what fails before it has a status of its own."""
        async with aclosing(self._pieces()) as pieces:
            try:
                first = await anext(pieces)
            except Exception as error:
                await errors.response(error)(scope, receive, send)
                return
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            await send({"type": "http.response.body", "body": first, "more_body": True})
            async for piece in pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        """The stream, piece by piece, with a comment in a long silence; an error after the first one is a piece too."""
        silent_since, any_sent = time.monotonic(), False
        try:
            async with aclosing(self._parts()) as parts:
                async for part in parts:
                    if part or time.monotonic() - silent_since > SILENCE:
                        silent_since, any_sent = time.monotonic(), True
                        yield part or WAITING
        except Exception as error:
            if not any_sent:
                raise
            yield _event(errors.explain(error)[1])

    async def _parts(self) -> AsyncGenerator[bytes, None]:
        """An event for each piece of text and for the end; empty ones while there is none."""
        envelope, form, sent, opened = self._envelope, self._envelope.form, self._begun, False
        async for step in self._steps:
            now, end = step.texts or sent, step.end
            new, sent = now.after(sent), now
            if form.opening and not opened and (new != Texts() or end):
                opened = True
                yield self._piece(envelope.piece(form.opening))
            yield self._piece(envelope.piece(form.delta(new))) if new != Texts() else b""
            if end:
                yield self._piece(envelope.last(now, end))
                if self._counts:
                    yield _event(envelope.figures(end))
                yield b"data: [DONE]\n\n"

    def _piece(self, piece: dict[str, Any]) -> bytes:
        return _event(piece | {"usage": None} if self._counts else piece)


def _event(content: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(content, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()
