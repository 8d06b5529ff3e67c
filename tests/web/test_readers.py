"""A call is ended when its messages only become more for a while, and not because one step took long."""

from __future__ import annotations

from queue import Queue
from types import SimpleNamespace
from typing import Any

import pytest

from streamspace.errors import RequestError
from streamspace.reply.bridge import READER_TIMEOUT
from streamspace.web import readers
from streamspace.web.readers import KEPT, Leftovers, Readers


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


def kept(**sessions: tuple[int, set[str]]) -> Any:
    """Gradio's queue, with some messages and calls for each session; the call "running" hasn't ended."""
    messages: dict[str, Queue[int]] = {name: Queue() for name in sessions}
    for name, (waiting, _) in sessions.items():
        for _ in range(waiting):
            messages[name].put(1)
    return SimpleNamespace(
        pending_messages_per_session=messages,
        pending_event_ids_session={name: calls for name, (_, calls) in sessions.items()},
        event_ids_to_events={"running": 1},
    )


def test_what_is_left_of_ended_calls_is_forgotten_and_nothing_else(clock: Clock) -> None:
    queue = kept(read=(0, set()), unread=(7, {"ended"}), slow=(99, {"ended"}), running=(7, {"ended", "running"}))
    leftovers = Leftovers()
    for _ in range(int(2 * KEPT)):
        leftovers.forget(queue)
        clock.now += 1
        queue.pending_messages_per_session["slow"].get()
    assert set(queue.pending_messages_per_session) == {"slow", "running"}
    assert set(queue.pending_event_ids_session) == {"slow", "running"}


def test_a_call_that_has_only_just_ended_may_still_be_read(clock: Clock) -> None:
    queue = kept(late=(7, {"running"}))
    leftovers = Leftovers()
    leftovers.forget(queue)
    clock.now += 10 * KEPT
    queue.event_ids_to_events.clear()
    leftovers.forget(queue)
    clock.now += KEPT
    leftovers.forget(queue)
    assert "late" in queue.pending_messages_per_session
