"""What one visitor may have: never more in any window than the config says, and nobody pays for another."""

from __future__ import annotations

import asyncio
import re
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamspace.config.types import Limits
from streamspace.errors import BusyError, LimitError
from streamspace.events import Finished, TextDelta
from streamspace.prompt.builder import Prompt
from streamspace.prompt.message_builder import MessageBuilder
from streamspace.reply import rates
from streamspace.reply.rates import Rates, Window
from streamspace.reply.request import Caller, ChatRequest
from tests.reply.test_account import ADA, BOB, Told, loader, read, told, until

__all__ = ["told"]  # a fixture
SECONDS = 60.0
VISITS = st.lists(st.tuples(st.floats(0, 40), st.sampled_from("abc")), max_size=60)
DONE = (TextDelta("Hi", 5), Finished("stop", 5, 0.1, 0.2))


def admitted(visits: list[tuple[float, str]], most: int, only: str = "abc") -> list[tuple[float, str]]:
    """Those of these visits, each some time after the one before, that a window lets through; of some visitors only."""
    window, now, found = Window(most, SECONDS), 1000.0, []
    for later, visitor in visits:
        now += later
        if visitor in only and not window.wait(visitor, now):
            window.add(visitor, 1, now)
            found.append((now, visitor))
    return found


@given(VISITS, st.integers(1, 5))
def test_nobody_has_more_than_the_limit_in_any_window(visits: list[tuple[float, str]], most: int) -> None:
    found = admitted(visits, most)
    for start, visitor in found:
        assert sum(who == visitor and start <= when < start + SECONDS for when, who in found) <= most


@given(VISITS, st.integers(1, 5))
def test_what_others_do_changes_nothing_for_a_visitor(visits: list[tuple[float, str]], most: int) -> None:
    together = [each for each in admitted(visits, most) if each[1] == "a"]
    assert together == [each for each in admitted(visits, most, only="a") if each[1] == "a"]


@given(st.lists(st.floats(0, 40), max_size=60), st.integers(1, 5))
def test_the_wait_that_is_told_is_enough_and_longer_than_needed_by_a_slice_at_most(
    pauses: list[float], most: int
) -> None:
    window, now, had = Window(most, SECONDS), 1000.0, []
    for pause in pauses:
        now += pause
        if wait := window.wait("a", now):
            assert wait <= had[-most] + SECONDS + SECONDS / rates.SLICES - now + 1e-6
            assert not window.wait("a", now + wait + 1e-6)
        else:
            window.add("a", 1, now)
            had.append(now)


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 1000)), min_size=1, max_size=300))
def test_a_visitor_takes_little_memory_whatever_is_counted(had: list[tuple[float, int]]) -> None:
    window, now = Window(10**9, SECONDS), 0.0
    for later, amount in had:
        now += later
        window.add("a", amount, now)
        assert window.size <= rates.SLICES + 1


def test_the_visitor_who_had_nothing_for_the_longest_is_forgotten() -> None:
    window = Window(1, SECONDS)
    for number in range(rates.VISITORS):
        window.add(str(number), 1, 1000.0)
    window.add("0", 1, 1001.0)
    window.add("new", 1, 1001.0)
    assert window.size == rates.VISITORS + 1  # two of the first visitor's
    assert not window.wait("1", 1001.0)
    assert window.wait("0", 1001.0)


def test_those_who_have_nothing_now_are_not_remembered() -> None:
    found = Rates(Limits(at_once=1))
    for number in range(3):
        with found.place(str(number)):
            assert dict(found._now) == {str(number): 1}
    assert not found._now


@pytest.mark.parametrize(
    ("limits", "message", "wait"),
    [
        (
            {"per_minute": 2},
            r"Messages that this Space takes from one visitor in a minute: 2\. Try again in 6[01] s",
            60,
        ),
        (
            {"tokens_per_day": 7},
            r"This Space writes up to 7 tokens a day for one visitor\. Come back in 24\.\d h",
            86_400,
        ),
    ],
)
async def test_a_visitor_who_had_enough_is_told_when_to_come_back_and_others_are_served(
    told: Told, limits: Any, message: str, wait: int
) -> None:
    found = loader(*DONE, **limits)
    for _ in range(2):
        assert (await read(found))[-1].end
    with pytest.raises(LimitError) as caught:
        async for _ in found.chat(ChatRequest("hi", caller=ADA)):
            pass
    assert re.fullmatch(message, str(caught.value))
    assert wait - 1 <= caught.value.retry_after <= wait + wait / rates.SLICES
    assert (await read(found, BOB))[-1].end
    assert (await read(found, Caller()))[-1].end
    assert (await read(found, Caller()))[-1].end
    assert (await read(found, Caller()))[-1].end  # nothing tells these from others
    assert [line["outcome"] for line in told()] == ["done", "done", "limited", "done", "done", "done", "done"]


async def test_replies_at_once_are_those_that_wait_too_and_one_that_ends_makes_room(told: Told) -> None:
    go_on = threading.Event()
    found = loader(TextDelta("Hi", 5), go_on, *DONE, at_once=2, queue=8)
    asked = [asyncio.ensure_future(read(found)) for _ in range(2)]
    await until(lambda: found.busy == (1, 1))
    with pytest.raises(LimitError) as caught:
        async for _ in found.chat(ChatRequest("hi", caller=ADA)):
            pass
    assert str(caught.value) == (
        "Replies that this Space writes at once for one visitor: 2. Wait until one of yours is complete"
    )
    other = asyncio.ensure_future(read(found, BOB))
    await until(lambda: found.busy == (1, 2))
    asked[1].cancel()
    await until(lambda: found.busy == (1, 1))
    again = asyncio.ensure_future(read(found))
    await until(lambda: found.busy == (1, 2))
    go_on.set()
    await asyncio.wait([*asked, other, again])
    assert [line["outcome"] for line in told()] == ["limited", "stopped", "done", "done", "done"]


async def test_what_is_refused_for_another_reason_is_not_counted(told: Told) -> None:
    found = loader(*DONE, per_minute=1)
    for _ in range(5):
        await read(found, message=" ")
    assert (await read(found))[-1].end
    await read(found)
    assert [line["reason"] for line in told()] == ["empty"] * 5 + ["-", "limit_minute"]


class Counting(MessageBuilder):
    """Counts its prompts."""

    prompts = 0

    def chat(self, *given: Any) -> Prompt:
        self.prompts += 1
        return super().chat(*given)


@pytest.mark.parametrize(
    ("limits", "text"), [({"per_minute": 2}, "in a minute: 2."), ({"queue": 1}, "its queue of 1 is full")]
)
async def test_who_is_over_a_limit_costs_no_prompt(limits: Any, text: str) -> None:
    go_on, builder = threading.Event(), Counting(1024, "on")
    found = loader(TextDelta("Hi", 5), go_on, *DONE, **limits)
    assert found.pipeline
    found.pipeline.builder = builder
    asked = [asyncio.ensure_future(read(found)) for _ in range(2)]
    await until(lambda: found.busy == (1, 1))
    for _ in range(3):
        with pytest.raises(BusyError, match=text):
            async for _ in found.chat(ChatRequest("hi", caller=ADA)):
                pass
    go_on.set()
    await asyncio.wait(asked)
    assert builder.prompts == 2


async def test_a_reply_that_is_stopped_counts_with_the_tokens_it_had() -> None:
    found = loader(TextDelta("Hi", 5), threading.Event(), tokens_per_day=5)
    task = asyncio.ensure_future(read(found))
    await until(lambda: found.busy == (1, 0))
    await asyncio.sleep(0.2)
    task.cancel()
    await asyncio.wait([task])
    with pytest.raises(LimitError, match="up to 5 tokens a day"):
        async for _ in found.chat(ChatRequest("hi", caller=ADA)):
            pass
