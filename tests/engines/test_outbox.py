"""The outbox: nothing lost, the first and the last at once, the rest together and in the same moments."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamspace import switches
from streamspace.engines import outbox as module
from streamspace.engines.outbox import Outbox, update_interval
from streamspace.events import Event, Failure, Finished, Heartbeat, Likelihood, Reclassified, Scored, TextDelta

END = Finished("stop", 3, 0.1, 0.2)


@pytest.fixture(autouse=True)
def every_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paced, as it is on a Space."""
    monkeypatch.delenv(switches.VARIABLE, raising=False)


def read(outbox: Outbox) -> list[list[Event | None]]:
    """What each look brings, to the end."""
    taken: list[list[Event | None]] = []
    with outbox.open():
        while (
            not taken or not taken[-1] or not (taken[-1][-1] is None or isinstance(taken[-1][-1], Finished | Failure))
        ):
            taken.append(outbox.take())
    return taken


def folded(events: Sequence[Event | None]) -> list[object]:
    """Text by text and kind, with its scores, and the rest as it is."""
    found: list[object] = []
    for event in events:
        if isinstance(event, TextDelta):
            found.extend((event.kind, character) for character in event.text)
            found.extend(event.scored)
            continue
        found.append(event)
    return found


deltas = st.builds(
    TextDelta,
    st.text(min_size=1, max_size=4),
    st.integers(0, 99),
    st.sampled_from(["answer", "reasoning", "tool_call"]),
)
others = st.sampled_from([Reclassified(), Heartbeat("decode")])


@given(events=st.lists(deltas | others, max_size=12), last=st.sampled_from([END, Failure("no"), None]))
def test_everything_comes_in_order_whatever_is_joined(events: list[Event], last: Event | None) -> None:
    outbox = Outbox()
    for event in [*events, last]:
        outbox.put(event)
    (taken,) = read(outbox)
    assert folded(taken) == folded([*events, last])
    texts = [event for event in taken if isinstance(event, TextDelta)]
    assert not texts or texts[-1].tokens == [each.tokens for each in events if isinstance(each, TextDelta)][-1]


def test_scores_stay_with_their_text() -> None:
    outbox = Outbox()
    scores = [Scored(Likelihood(bytes([64 + at]), -1.0)) for at in range(3)]
    for at, score in enumerate(scores):
        outbox.put(TextDelta("x", at + 1, scored=(score,)))
    outbox.put(END)
    assert read(outbox) == [[TextDelta("xxx", 3, scored=tuple(scores)), END]]


def test_the_first_text_comes_at_once_and_later_ones_together() -> None:
    outbox = Outbox()

    def write() -> None:
        for number in range(40):
            outbox.put(TextDelta(f"{number} ", number + 1))
            time.sleep(0.005)
        outbox.put(END)

    threading.Thread(target=write).start()
    taken = read(outbox)
    assert taken[0] == [TextDelta("0 ", 1)]
    assert "".join(each.text for look in taken for each in look if isinstance(each, TextDelta)).split() == [
        *map(str, range(40))
    ]
    assert len(taken) <= 12  # 40 texts in at least 0.2 s, at most 20 updates per second, one more at each end


def test_the_end_is_not_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "update_interval", lambda characters, replies: 60.0)
    outbox = Outbox()
    outbox.put(TextDelta("a", 1))
    with outbox.open():
        assert outbox.take() == [TextDelta("a", 1)]
    threading.Timer(0.2, lambda: [outbox.put(TextDelta("b", 2)), outbox.put(END)]).start()
    started = time.monotonic()
    assert read(outbox) == [[TextDelta("b", 2), END]]
    assert time.monotonic() - started < 30


def test_a_reply_that_goes_on_elsewhere_is_paced_there_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "update_interval", lambda characters, replies: 0.2)
    outbox = Outbox()
    for event in (TextDelta("a", 1), None):
        outbox.put(event)
    assert outbox.take() == [TextDelta("a", 1), None]
    outbox.put(TextDelta("b", 2))
    threading.Timer(0.01, outbox.put, [TextDelta("c", 3)]).start()
    outbox._due = time.monotonic() + 0.2
    assert outbox.take() == [TextDelta("bc", 3)]


def test_silence_is_told_and_what_breaks_it_comes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEARTBEAT", 0.01)
    outbox = Outbox()
    assert outbox.take() == []
    outbox.put(TextDelta("a", 1))
    assert outbox.take() == [TextDelta("a", 1)]
    assert outbox.take() == []
    monkeypatch.setattr(module, "HEARTBEAT", 60.0)
    threading.Timer(0.1, outbox.put, [TextDelta("b", 2)]).start()
    assert outbox.take() == [TextDelta("b", 2)]  # it waits for text, and not for a moment to tell it in


def test_all_replies_are_updated_in_the_same_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    outboxes = [Outbox() for _ in range(6)]
    with ExitStack() as stack:
        for outbox in outboxes:
            stack.enter_context(outbox.open())
            outbox.put(TextDelta("a", 1))
            outbox.take()
            time.sleep(0.002)
        due = [outbox._due for outbox in outboxes]
    assert max(abs(each % 0.05 - 0.05 * round(each % 0.05 / 0.05)) for each in due) < 1e-6
    assert not module._read
    alone = Outbox()
    with alone.open():
        assert update_interval(0, len(module._read)) == 0.05


def test_without_pacing_each_event_comes_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(switches.VARIABLE, "pacing")
    outbox = Outbox()
    for event in (TextDelta("a", 1), TextDelta("b", 2), END):
        outbox.put(event)
    assert read(outbox) == [[TextDelta("a", 1)], [TextDelta("b", 2)], [END]]


@pytest.mark.parametrize(
    ("replies", "seconds"), [(1, (0.05, 0.1, 0.25)), (4, (0.05, 0.1, 0.25)), (5, (0.1, 0.1, 0.25))]
)
def test_longer_texts_and_those_of_many_replies_are_updated_less_often(
    replies: int, seconds: tuple[float, float, float]
) -> None:
    intervals = [update_interval(length, replies) for length in (0, 3_999, 4_000, 15_999, 16_000)]
    short, long, longest = seconds
    assert intervals == [short, short, long, long, longest]
