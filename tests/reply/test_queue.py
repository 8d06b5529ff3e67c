"""The queue before the model: in order, with places that are told, and nobody left in it who has gone."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, aclosing
from pathlib import Path
from typing import Any

import pytest

from streamspace.engines.engine import Events
from streamspace.errors import RequestError
from streamspace.events import Finished, Request, TextDelta
from streamspace.prompt.builder import PromptBuilder
from streamspace.reply.pipeline import Pipeline
from streamspace.reply.progress import Progress
from streamspace.reply.queue import RequestQueue
from streamspace.reply.request import ChatRequest
from tests.browser.visitor import Visitor
from tests.conftest import Probe
from tests.reply.test_pipeline import CONFIG
from tests.running import App


def test_the_first_are_served_and_the_others_know_their_position() -> None:
    queue = RequestQueue(max_running=2, max_waiting=3)
    with ExitStack() as first, ExitStack() as fourth, ExitStack() as others:
        entries = [stack.enter_context(queue.entry()) for stack in (first, others, others, fourth, others)]
        assert [entry.position for entry in entries] == [0, 0, 1, 2, 3]
        assert queue.length() == (2, 3)
        first.close()
        assert [entry.position for entry in entries[1:]] == [0, 0, 1, 2]
        fourth.close()  # one who gives up in the middle
        assert entries[4].position == 1
    assert queue.length() == (0, 0)


def test_a_queue_that_is_full_says_how_many_wait() -> None:
    queue = RequestQueue(max_running=1, max_waiting=2)
    with ExitStack() as second, ExitStack() as others:
        for stack in (others, second, others):
            stack.enter_context(queue.entry())
        with pytest.raises(RequestError) as caught, queue.entry():
            pass
        assert str(caught.value) == "This Space is busy, and its queue of 2 is full. Try again in a moment"
        second.close()
        others.enter_context(queue.entry())
    assert queue.length() == (0, 0)


def test_an_entry_is_given_back_whatever_happens_in_its_block() -> None:
    queue = RequestQueue(max_running=1, max_waiting=2)
    for error in (ValueError, asyncio.CancelledError, GeneratorExit):
        with pytest.raises(error), queue.entry():
            raise error
    assert queue.length() == (0, 0)


class Slow:
    """An engine that writes one reply at a time, and remembers in which order."""

    name = "slow"
    capacity = 1

    def __init__(self) -> None:
        self.order: list[int] = []

    def stream(self, request: Request, stop: threading.Event) -> Events:
        self.order.append(request.sampling.seed)
        for number in range(1, 6):
            time.sleep(0.02)
            yield TextDelta(f"{number} ", number)
        yield Finished("stop", 5, 0.02, 0.1)

    def unavailable_reason(self) -> None:
        pass

    def close(self) -> None:
        pass


def pipeline(tiny: Any) -> Pipeline:
    return Pipeline(CONFIG, Slow(), PromptBuilder(tiny.tokenizer, 2048, 1024))


async def test_visitors_are_answered_in_order_and_told_their_place(tiny: Any) -> None:
    writing = pipeline(tiny)

    async def visit(seed: int) -> list[Progress]:
        await asyncio.sleep(seed * 0.03)
        return [progress async for progress in writing.chat(ChatRequest("hi", sampling={"seed": seed}))]

    visits = await asyncio.gather(*(visit(seed) for seed in range(4)))
    assert writing.engine.order == [0, 1, 2, 3]  # type: ignore[attr-defined]
    assert all(progress[-1].text == "1 2 3 4 5 " for progress in visits)
    places = [sorted({step.position for step in steps}, reverse=True) for steps in visits]
    assert places[0] == [0]
    assert places[3][0] >= 2
    assert places[3][-1] == 0


async def test_one_who_leaves_the_line_makes_room(tiny: Any) -> None:
    writing = pipeline(tiny)
    async with aclosing(writing.chat(ChatRequest("hi", sampling={"seed": 1}))) as first:
        while (await anext(first)).phase != "decode":
            pass
        async with aclosing(writing.chat(ChatRequest("hi", sampling={"seed": 2}))) as second:
            while (await anext(second)).position != 1:
                pass
        third = [
            progress
            async for progress in writing.chat(ChatRequest("hi", sampling={"seed": 3}))
            if not await first.aclose()
        ]
    assert third[-1].text == "1 2 3 4 5 "
    assert writing.engine.order == [1, 3]  # type: ignore[attr-defined]


def test_a_waiting_visitor_sees_the_place_and_can_leave(
    start: Callable[..., App], browser: Any, tmp_path: Path
) -> None:
    probe = Probe(tmp_path)
    app = start(
        changes={"limits.concurrency": 1, "limits.queue": 1},
        script="tests/standins/apps/probed_app.py",
        env={"PROBE": str(tmp_path)},
    )
    first, second, third = (Visitor(browser.new_context().new_page(), app.url) for _ in range(3))
    with probe.set("slow", "0.1"):
        first.say("Count to two hundred")
        first.wait(lambda: "".join(first.replies()))
        second.say("ping")
        second.wait(lambda: second.text(".status") == "Number 1 in the queue…")
        third.say("ping")
        third.wait(lambda: "its queue of 1 is full" in third.text(".status"))
        second.page.click("#stop")
        second.wait(second.idle)
        third.say("ping")
        third.wait(lambda: third.text(".status") == "Number 1 in the queue…")
        first.page.click("#stop")
        third.wait(third.idle)
    assert third.replies()[-1] == "pong"
