"""The queue of replies that wait for the model: first come, first served, each told its place."""

from __future__ import annotations

import asyncio

from streamspace.errors import RequestError
from streamspace.i18n import t
from streamspace.reply.bridge import wait


class QueueEntry:
    """A place in the queue."""

    def __init__(self) -> None:
        self.moved = asyncio.Event()


class RequestQueue:
    """Runs the first `max_running` of its entries while up to `max_waiting` more wait. For one event loop."""

    def __init__(self, max_running: int, max_waiting: int) -> None:
        self._max_running = max_running
        self._max_waiting = max_waiting
        self._entries: list[QueueEntry] = []

    def join(self) -> QueueEntry:
        """A entry at the end of the queue. Raises RequestError when too many wait already."""
        if len(self._entries) >= self._max_running + self._max_waiting:
            raise RequestError(t("error.full", waiting=self._max_waiting))
        entry = QueueEntry()
        self._entries.append(entry)
        return entry

    def position(self, entry: QueueEntry) -> int:
        """How many turns away the entry's is: 0 is being served, 1 is the next."""
        return max(self._entries.index(entry) + 1 - self._max_running, 0)

    async def move(self, entry: QueueEntry, seconds: float = 0.5) -> None:
        """Waits until the queue has moved, but no longer than that, so that one who has gone is noticed."""
        entry.moved.clear()
        await wait(entry.moved, seconds)

    def length(self) -> tuple[int, int]:
        """How many are being served, and how many wait."""
        served = min(len(self._entries), self._max_running)
        return served, len(self._entries) - served

    def leave(self, entry: QueueEntry) -> None:
        """Takes the entry out, served or not; those behind it move up."""
        self._entries.remove(entry)
        for other in self._entries:
            other.moved.set()
