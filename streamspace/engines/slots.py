"""Places for the replies that an engine computes at once: each is taken and given back by one context manager."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager

from streamspace.engines.engine import HEARTBEAT
from streamspace.events import Heartbeat


class Slot:
    """One reply's claim to a place."""

    def __init__(self, free: threading.Semaphore) -> None:
        self._free = free
        self._lock = threading.Lock()
        self._taken = self._handed_over = False

    def wait(self, stop: threading.Event) -> Generator[Heartbeat, None, bool]:
        """Takes a place when there is one, with a Heartbeat for every 100 ms; False when `stop` was set first."""
        while not self._free.acquire(timeout=HEARTBEAT):
            if stop.is_set():
                return False
            yield Heartbeat("waiting")
        self._taken = True
        return True

    def release(self) -> None:
        """Gives the place back, if it is still taken."""
        with self._lock:
            taken, self._taken = self._taken, False
        if taken:
            self._free.release()

    def hand_over(self, thread: threading.Thread) -> None:
        """Starts a thread that calls `release` when it has ended, in place of the `with` block."""
        thread.start()  # raises where there can be no more threads, and the block gives the place back
        self._handed_over = True

    def leave(self) -> None:
        """The end of the `with` block."""
        if not self._handed_over:
            self.release()


class Slots:
    """`count` places."""

    def __init__(self, count: int) -> None:
        self._free = threading.Semaphore(count)

    @contextmanager
    def slot(self) -> Iterator[Slot]:
        """A claim, without a place yet; whatever happens in the block, the place is given back once."""
        slot = Slot(self._free)
        try:
            yield slot
        finally:
            slot.leave()

    def wait_for_one(self) -> None:
        """Waits until a place is free, and takes none."""
        with self._free:
            pass
