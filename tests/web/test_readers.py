"""A call is ended when its messages only become more for a while, and not because one step took long."""

from __future__ import annotations

from queue import Queue

import pytest

from streamspace.errors import RequestError
from streamspace.reply.bridge import READER_TIMEOUT
from streamspace.web import readers
from streamspace.web.readers import Readers


class Clock:
    """The time, as a test sets it."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(readers, "time", made)
    return made


def test_a_call_that_nobody_reads_is_ended(clock: Clock) -> None:
    messages: Queue[int] = Queue()
    checked = Readers()

    def written() -> None:
        for _ in range(100):
            messages.put(1)
            clock.now += 1
            checked.check(messages)

    with pytest.raises(RequestError, match="Nobody read this reply"):
        written()
    assert READER_TIMEOUT <= clock.now - 100 <= READER_TIMEOUT + 3


def test_a_step_that_takes_long_ends_nothing_however_late_its_message_is_read(clock: Clock) -> None:
    messages: Queue[int] = Queue()
    checked = Readers()
    for _ in range(10):
        checked.check(messages)
        messages.put(1)
        clock.now += 10 * READER_TIMEOUT
        checked.check(messages)
        messages.get()


def test_a_slow_reader_is_a_reader(clock: Clock) -> None:
    messages: Queue[int] = Queue()
    checked = Readers()
    for step in range(100):
        messages.put(step)
        clock.now += 5
        checked.check(messages)
        if step % 3 == 2:
            messages.get()
            messages.get()
            checked.check(messages)
