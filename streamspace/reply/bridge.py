"""Carries a blocking stream of events to a coroutine, without ever blocking the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Generic, TypeVar

T = TypeVar("T")
HEARTBEAT = 0.2  # seconds of silence, longer than between most updates, after which an empty batch is yielded
READER_TIMEOUT = 20.0  # seconds without a reader after which the stream is given up


async def bridge(open_stream: Callable[[threading.Event], Generator[T, None, None]]) -> AsyncGenerator[list[T], None]:
    """Yields what has come since the last time; empty lists in silence, about 5 a second.

    The stream is opened, read and closed in a thread of its own, in the caller's context (ZeroGPU finds the visitor's
    identity there). When this generator is closed or cancelled it only sets the stop flag and returns: the thread
    closes the stream by itself, however long a step of it takes, and nobody waits. A reader who doesn't come back for
    `READER_TIMEOUT` seconds has the same effect. An exception of the stream is raised here.
    """
    channel = _Channel[T](asyncio.get_running_loop())
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(_produce, open_stream, channel), name="bridge", daemon=True).start()
    try:
        while not channel.ended():
            yield await channel.take()
    finally:
        channel.stop.set()


def _produce(open_stream: Callable[[threading.Event], Generator[T, None, None]], channel: _Channel[T]) -> None:
    try:
        with contextlib.closing(open_stream(channel.stop)) as stream:
            for event in stream:
                if not channel.put(event):
                    break
    except BaseException as error:  # raised again by the coroutine that reads
        channel.error = error
    finally:
        channel.close()


class _Channel(Generic[T]):
    """Events between the thread that puts them and the coroutine that takes them."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.stop = threading.Event()
        self.error: BaseException | None = None
        self._loop = loop
        self._lock = threading.Lock()
        self._events: list[T] = []
        self._filled = asyncio.Event()
        self._closed = False
        self._reader_seen = time.monotonic()

    def put(self, event: T) -> bool:
        """Called by the thread. False when nobody wants more."""
        with self._lock:
            self._events.append(event)
            first = len(self._events) == 1
        return self._wanted() and (not first or self._call(self._filled.set))

    def close(self) -> None:
        """Called by the thread, at the end."""
        self._closed = True
        self._call(self._filled.set)

    async def take(self) -> list[T]:
        """All events since the last time; none after a beat of silence."""
        self._reader_seen = time.monotonic()
        await wait(self._filled, HEARTBEAT)
        self._filled.clear()
        with self._lock:
            events, self._events = self._events, []
        return events

    def ended(self) -> bool:
        """Whether the stream is complete and all of it was taken. Raises the stream's exception, if it had one."""
        if not self._closed or self._events:
            return False
        if self.error is not None:
            raise self.error
        return True

    def _wanted(self) -> bool:
        """Whether the stream is to go on; it is stopped where its reader hasn't come for long."""
        if time.monotonic() - self._reader_seen > READER_TIMEOUT:
            self.stop.set()
        return not self.stop.is_set()

    def _call(self, function: Callable[[], None]) -> bool:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the server has ended
            self._loop.call_soon_threadsafe(function)
            return True
        return False


async def wait(event: asyncio.Event, seconds: float) -> None:
    """Waits for an event, but no longer than that.

    Not `asyncio.wait_for`: before Python 3.12 it returns as if nothing had happened when a cancel comes in the moment
    of the event, so that a Stop is lost.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
