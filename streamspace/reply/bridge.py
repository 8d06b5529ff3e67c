"""Carries a blocking stream of events to a coroutine, without ever blocking the event loop, and paces it."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Generic, TypeVar

T = TypeVar("T")
HEARTBEAT = 0.1  # seconds of silence after which an empty batch is yielded
READER_TIMEOUT = 20.0  # seconds without a reader after which the stream is given up
FEW = 4  # replies
BOUND = 256  # events that may wait for the reader: more than come between two updates


def update_interval(characters: int, replies: int) -> float:
    """Seconds between updates of a text of this length, while so many replies are being written.

    The browser renders the whole message anew each time, so longer texts get fewer updates; 20 per second look
    continuous. Of more than a few replies each gets half of that: an update takes 0.7 ms of a core, which the model
    may compute on as well.
    """
    if characters < 4_000 and replies <= FEW:
        return 0.05
    return 0.1 if characters < 16_000 else 0.25


async def bridge(
    open_stream: Callable[[threading.Event], Generator[T, None, None]], pause: Callable[[], float]
) -> AsyncGenerator[list[T], None]:
    """Yields what has come since the last time, `pause()` seconds apart; empty lists in silence, about 10 a second.

    The stream is opened, read and closed in a thread of its own, in the caller's context (ZeroGPU finds the visitor's
    identity there). When this generator is closed or cancelled it only sets the stop flag and returns: the thread
    closes the stream by itself, however long a step of it takes, and nobody waits. A reader who doesn't come back for
    `READER_TIMEOUT` seconds has the same effect. One who is slow holds the stream up: `BOUND` events wait, and no more.
    An exception of the stream is raised here.
    """
    channel = _Channel[T](asyncio.get_running_loop())
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(_produce, open_stream, channel), name="bridge", daemon=True).start()
    try:
        while not channel.ended():
            yield await channel.take()
            await channel.pause(pause())
    finally:
        channel.abandon()


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
        self._room = threading.Condition()
        self._events: list[T] = []
        self._filled = asyncio.Event()
        self._closed = asyncio.Event()
        self._reader_seen = time.monotonic()

    def put(self, event: T) -> bool:
        """Called by the thread. False when nobody wants more."""
        with self._room:
            while len(self._events) >= BOUND and self._wanted():
                self._room.wait(HEARTBEAT)
            self._events.append(event)
            first = len(self._events) == 1
        return self._wanted() and (not first or self._call(self._filled.set))

    def close(self) -> None:
        """Called by the thread, at the end."""
        self._call(self._filled.set)
        self._call(self._closed.set)

    async def take(self) -> list[T]:
        """All events since the last time; none after a beat of silence."""
        self._reader_seen = time.monotonic()
        await wait(self._filled, HEARTBEAT)
        self._filled.clear()
        with self._room:
            events, self._events = self._events, []
            self._room.notify()
        return events

    def abandon(self) -> None:
        """Called by the coroutine, when it reads no more."""
        self.stop.set()
        with self._room:
            self._room.notify()

    async def pause(self, seconds: float) -> None:
        """Waits so long, or until the stream is complete: its last words are not held back."""
        await wait(self._closed, seconds)

    def ended(self) -> bool:
        """Whether the stream is complete and all of it was taken. Raises the stream's exception, if it had one."""
        if not self._closed.is_set() or self._events:
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
    waiting = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({waiting}, timeout=seconds)
    finally:
        waiting.cancel()
