"""Carries a reply's events from the thread that computes it to its reader's, at the pace in which texts are updated."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from streamspace import switches
from streamspace.engines.engine import HEARTBEAT
from streamspace.events import Event, Failure, Finished, TextDelta

FEW = 4  # replies
_read: set[Outbox] = set()  # those of this process that have a reader


def update_interval(characters: int, replies: int) -> float:
    """Seconds between updates of a text of this length, while so many replies are being written.

    The browser renders the whole message anew each time, so longer texts get fewer updates; 20 per second look
    continuous. Of more than a few replies each gets half of that: an update takes 0.7 ms of a core, which the model
    may compute on as well.
    """
    if characters < 4_000 and replies <= FEW:
        return 0.05
    return 0.1 if characters < 16_000 else 0.25


class Outbox:
    """The events of one reply. Each thread that wakes takes time from a model on the same cores, so the reader sleeps
    between two updates, and what came meanwhile is one event; all replies of the process are updated in the same
    moments. The first text is told at once, and the end.
    """

    def __init__(self) -> None:
        self._queue = queue.SimpleQueue[Event | None]()
        self._complete = threading.Event()
        self._characters = 0
        self._due = 0.0  # when more text is told
        self._is_paced = switches.is_on("pacing")

    def put(self, event: Event | None) -> None:
        """Called by what computes the reply; None says that it puts nothing more in."""
        self._queue.put(event)
        if _is_last(event):
            self._complete.set()

    @contextmanager
    def open(self) -> Iterator[None]:
        """The block in which it is read."""
        _read.add(self)
        try:
            yield
        finally:
            _read.discard(self)

    def take(self) -> list[Event | None]:
        """What has come, in order and with the text of one kind joined, up to the end; nothing after 100 ms without."""
        self._complete.wait(max(self._due - time.monotonic(), 0.0))
        try:
            taken = [self._queue.get(timeout=HEARTBEAT)]
        except queue.Empty:
            return []
        while self._is_paced and not _is_last(taken[-1]) and not self._queue.empty():
            taken[-1:] = _joined(taken[-1], self._queue.get())
        if taken[-1] is None:  # what goes on with it is paced as well
            self._complete.clear()
        if text := sum(len(event.text) for event in taken if isinstance(event, TextDelta)):
            self._characters += text
            self._due = self._next(time.monotonic())
        return taken

    def _next(self, now: float) -> float:
        interval = update_interval(self._characters, len(_read))
        return now - now % interval + interval if self._is_paced else now


def _is_last(event: Event | None) -> bool:
    return event is None or isinstance(event, Finished | Failure)


def _joined(earlier: Event | None, later: Event | None) -> list[Event | None]:
    if isinstance(earlier, TextDelta) and isinstance(later, TextDelta) and earlier.kind == later.kind:
        scored = earlier.scored + later.scored
        return [TextDelta(earlier.text + later.text, later.tokens, earlier.kind, scored)]
    return [earlier, later]
