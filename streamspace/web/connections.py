"""Closes connections that hold something and don't move on: a slow reader a reply's place, a silent one a socket.

uvicorn waits for both for ever. To the rest of the app such a client has gone.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import gradio as gr

State = tuple[str, object, int]
INTERVAL = 1.0  # seconds between two looks
DEADLINES = {  # seconds in one state
    "sending": 10.0,  # the client doesn't read what is sent to it
    "receiving": 120.0,  # the rest of its request doesn't come
    "idle": 20.0,  # no request comes, or only the beginning of its head; uvicorn ends others sooner
}


def watching(page: gr.Blocks) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """The lifespan of a server that watches its connections."""

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        watch = asyncio.create_task(_watch(page))
        try:
            yield
        finally:
            watch.cancel()

    return lifespan


async def _watch(page: gr.Blocks) -> None:
    since: dict[tuple[Any, State], float] = {}
    while True:
        await asyncio.sleep(INTERVAL)
        server, now = getattr(page, "server", None), time.monotonic()
        found = [(each, state(each)) for each in (server.server_state.connections if server else ())]
        since = {each: since.get(each, now) for each in found}
        for (connection, (waits_for, *_)), moment in since.items():
            if now - moment > DEADLINES.get(waits_for, math.inf):
                connection.transport.abort()


def state(connection: Any) -> State:
    """What one of uvicorn's connections waits for, if for anything, in which request, and how many bytes are unsent.

    That number changes while a client reads, however slowly.
    """
    cycle = getattr(connection, "cycle", None)  # a WebSocket, of which there are none here, has none
    if cycle and connection.flow.write_paused:
        return "sending", cycle, connection.transport.get_write_buffer_size()
    if cycle is None or cycle.response_complete:
        return "idle", cycle, 0
    return "receiving" if cycle.more_body else "", cycle, 0
