"""The queue of replies that wait for the model: first come, first served, each told its position."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from streamspace.errors import BusyError, ClosingError
from streamspace.i18n import t
from streamspace.reply.bridge import wait


class QueueEntry:
    """A reply's entry in the queue."""

    def __init__(self, queue: RequestQueue) -> None:
        self.moved = asyncio.Event()
        self._queue = queue

    @property
    def position(self) -> int:
        """How many turns away the reply's is: 0 runs, 1 is the next."""
        return self._queue.position(self)

    async def move(self, seconds: float = 0.5) -> None:
        """Waits until the queue has moved, but no longer than that, so that a visitor who has gone is noticed.

        Raises ClosingError where it is closed.
        """
        self.moved.clear()
        await wait(self.moved, seconds)
        self._queue.check_open()


class RequestQueue:
    """Runs the first `max_running` of its entries while up to `max_waiting` more wait. For one event loop."""

    def __init__(self, max_running: int, max_waiting: int) -> None:
        self._max_running = max_running
        self._max_waiting = max_waiting
        self._entries: list[QueueEntry] = []
        self._closed = False
        self._ended = False

    @contextmanager
    def entry(self) -> Iterator[QueueEntry]:
        """An entry at the end of the queue for the length of the block; those behind it then move up.

        Raises BusyError when too many wait already, or the queue is closed.
        """
        self.check_room()
        entry = QueueEntry(self)
        self._entries.append(entry)
        try:
            yield entry
        finally:
            self._entries.remove(entry)
            for other in self._entries:
                other.moved.set()

    def close(self) -> None:
        """Takes no more entries, and sends away those that wait. From any thread."""
        self._closed = True

    def end(self) -> None:
        """Sends away also those that run. From any thread."""
        self._closed = self._ended = True

    def check_room(self) -> None:
        """Raises BusyError where no entry could be made now."""
        self.check_open()
        if len(self._entries) >= self._max_running + self._max_waiting:
            raise BusyError(t("error.full", waiting=self._max_waiting))

    def check_open(self) -> None:
        """Raises ClosingError where nothing more begins."""
        if self._closed:
            raise ClosingError(t("error.closing"))

    def check_running(self) -> None:
        """Raises ClosingError where nothing goes on."""
        if self._ended:
            raise ClosingError(t("error.closed"))

    def position(self, entry: QueueEntry) -> int:
        """See `QueueEntry.position`."""
        return max(self._entries.index(entry) + 1 - self._max_running, 0)

    def length(self) -> tuple[int, int]:
        """How many run, and how many wait."""
        running = min(len(self._entries), self._max_running)
        return running, len(self._entries) - running
