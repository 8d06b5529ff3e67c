"""The bridge: nothing lost, nothing blocked, closed by itself."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Generator

import pytest

from streamspace.reply import bridge as module
from streamspace.reply.bridge import bridge

visitor: contextvars.ContextVar[str] = contextvars.ContextVar("visitor")


def numbers(stop: threading.Event, most: int = 1000) -> Generator[int, None, None]:
    yield from range(most)


async def test_everything_arrives_in_order() -> None:
    batches = [batch async for batch in bridge(numbers)]
    assert [number for batch in batches for number in batch] == list(range(1000))


async def test_silence_is_reported_so_that_a_cancel_can_be_heard() -> None:
    def stream(stop: threading.Event) -> Generator[int, None, None]:
        time.sleep(0.55)
        yield 1

    batches = [batch async for batch in bridge(stream)]
    assert batches.count([]) >= 2
    assert [1] in batches


async def test_the_streams_exception_is_raised_here_after_what_it_had_sent() -> None:
    def stream(stop: threading.Event) -> Generator[int, None, None]:
        yield 1
        raise ValueError("the model is gone")

    seen: list[int] = []

    async def read() -> None:
        async for batch in bridge(stream):
            seen.extend(batch)

    with pytest.raises(ValueError, match="the model is gone"):
        await read()
    assert seen == [1]


async def test_closing_sets_stop_at_once_and_does_not_wait_for_a_slow_step() -> None:
    closed = threading.Event()

    def stream(stop: threading.Event) -> Generator[int, None, None]:
        try:
            yield 1
            time.sleep(0.5)  # a long step of the model
            assert stop.is_set()
            yield 2
        finally:
            closed.set()

    batches = bridge(stream)
    assert await anext(batches) == [1]
    started = time.monotonic()
    await batches.aclose()
    assert time.monotonic() - started < 0.2
    assert not closed.is_set()
    assert await asyncio.to_thread(closed.wait, 5)


async def test_a_cancelled_reader_closes_the_stream() -> None:
    closed = threading.Event()

    def stream(stop: threading.Event) -> Generator[int, None, None]:
        try:
            while True:
                yield 1
                time.sleep(0.01)
        finally:
            closed.set()

    async def read() -> None:
        async for _ in bridge(stream):
            pass

    task = asyncio.create_task(read())
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(closed.wait, 5)


async def test_a_cancel_in_the_very_moment_of_an_event_is_not_lost() -> None:
    event = asyncio.Event()
    waiting = asyncio.ensure_future(module.wait(event, 10))
    await asyncio.sleep(0.01)
    event.set()
    assert not waiting.done()  # after a turn of the event loop, a cancel would be none in that moment
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_reader_that_never_comes_back_loses_its_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READER_TIMEOUT", 0.2)
    closed = threading.Event()

    def stream(stop: threading.Event) -> Generator[int, None, None]:
        try:
            while True:
                yield 1
                time.sleep(0.01)
        finally:
            closed.set()

    batches = bridge(stream)
    await anext(batches)
    assert await asyncio.to_thread(closed.wait, 5)  # the generator is still referenced, only not read
    await batches.aclose()


async def test_the_event_loop_runs_on_while_the_stream_blocks() -> None:
    def stream(stop: threading.Event) -> Generator[int, None, None]:
        time.sleep(0.4)
        yield 1

    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.01)

    ticking = asyncio.create_task(tick())
    assert [1] in [batch async for batch in bridge(stream)]
    ticking.cancel()
    assert ticks >= 10


async def test_the_stream_runs_in_the_callers_context() -> None:
    def stream(stop: threading.Event) -> Generator[str, None, None]:
        yield visitor.get()

    visitor.set("ada")
    assert ["ada"] in [batch async for batch in bridge(stream)]
