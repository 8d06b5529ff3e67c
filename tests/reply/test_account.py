"""Every reply has one line in the log, whatever its end, with nothing in it that a visitor or the model wrote."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest

from streamspace.config.types import Config
from streamspace.errors import QuotaError, RequestError, StreamspaceError
from streamspace.events import Event, Failure, Finished, Heartbeat, TextDelta
from streamspace.i18n import t
from streamspace.prompt.message_builder import MessageBuilder
from streamspace.reply.loader import Loader
from streamspace.reply.pipeline import Pipeline
from streamspace.reply.progress import Progress
from streamspace.reply.request import Caller, ChatRequest
from tests.reply.test_pipeline import CONFIG
from tests.running import changed

SECRET = "xylophone-4711"
SAID = (TextDelta(SECRET, 1), TextDelta(f" {SECRET}", 12))
ADA, BOB = Caller("page", "ada", "1" * 24), Caller("openai", "bob", "2" * 24)
LINE = re.compile(
    r"reply id=(?P<id>[0-9a-f]{24}) door=(?P<door>\w+) visitor=(?P<visitor>[\w-]+) outcome=(?P<outcome>\w+) "
    r"reason=(?P<reason>[\w.-]+) waited=(?P<waited>\d+\.\d\d) first=(?P<first>-|\d+\.\d\d) took=(?P<took>\d+\.\d\d) "
    r"prompt=(?P<prompt>-|\d+) reused=(?P<reused>-|\d+) tokens=(?P<tokens>\d+) speed=(?P<speed>-|\d+\.\d)"
)


class Engine:
    """Says what it was given; an `Event` of threading among it is waited for, and anything but stop() ends that."""

    name = "scripted"
    capacity = 1

    def __init__(self, *events: Event | Exception | threading.Event) -> None:
        self.events = events

    def stream(self, request: Any, stop: threading.Event) -> Any:
        for event in self.events:
            if isinstance(event, Exception):
                raise event
            if isinstance(event, threading.Event):
                while not (event.wait(0.01) or stop.is_set()):
                    yield Heartbeat("decode")
            else:
                yield event

    def unavailable_reason(self) -> None:
        pass


def loader(*events: Event | Exception | threading.Event, **limits: Any) -> Loader:
    """A loaded one, over an engine that says these events and writes one reply at a time."""
    config = Config.model_validate(changed({f"limits.{name}": value for name, value in limits.items()}))
    made = Loader(config, lambda config, _: Pipeline(config, Engine(*events), MessageBuilder(1024, "on")))  # type: ignore[arg-type]
    made.load()
    return made


async def read(found: Loader, caller: Caller = ADA, message: str = SECRET) -> list[Progress]:
    """The steps of a reply, until it ends or fails."""
    steps: list[Progress] = []
    try:
        async for step in found.chat(ChatRequest(message, caller=caller)):
            steps.append(step)
    except StreamspaceError:
        pass
    return steps


async def until(holds: Callable[[], object]) -> None:
    while not holds():
        await asyncio.sleep(0.01)


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Callable[[], list[dict[str, str]]]:
    """The lines so far, each taken apart; every line has the exact form, and nobody's text in it."""
    caplog.set_level(logging.INFO, "streamspace.reply.account")

    def lines() -> list[dict[str, str]]:
        found = [LINE.fullmatch(record.getMessage()) for record in caplog.records if "account" in record.name]
        assert all(found), caplog.text
        assert SECRET not in caplog.text
        return [line.groupdict() for line in found if line]

    return lines


Told = Callable[[], list[dict[str, str]]]


async def test_a_line_says_who_asked_how_it_ended_and_what_it_took(
    told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    await read(loader(*SAID, Finished("stop", 12, 0.5, 1.0, 34)))
    (line,) = told()
    assert float(line["first"]) <= float(line["took"]) < 5
    measured = re.sub(r"(first|took)=[\d.]+", r"\1=0", caplog.messages[-1])
    assert measured == (
        "reply id=111111111111111111111111 door=page visitor=ada outcome=done reason=- "
        "waited=0.00 first=0 took=0 prompt=34 reused=0 tokens=12 speed=22.0"
    )


@pytest.mark.parametrize(
    ("events", "outcome", "reason", "tokens"),
    [
        ([*SAID, Finished("stop", 12, 0.5, 1.0)], "done", "-", "12"),
        ([*SAID, Finished("length", 12, 0.5, 1.0)], "length", "-", "12"),
        ([*SAID, Finished("timeout", 12, 0.5, 1.0)], "timeout", "-", "12"),
        ([*SAID, Failure(t("error.model_memory"))], "failed", "model_memory", "12"),
        ([*SAID, Failure(SECRET)], "failed", "GenerationError", "12"),
        ([ValueError(SECRET)], "failed", "ValueError", "0"),
        ([QuotaError(t("error.gpu_used_up"))], "quota", "gpu_used_up", "0"),
        ([RequestError(t("error.image_refused"))], "refused", "image_refused", "0"),
    ],
)
async def test_each_end_has_its_name(told: Told, events: Any, outcome: str, reason: str, tokens: str) -> None:
    found = loader(*events)
    try:
        await read(found)
    except ValueError:
        assert outcome == "failed"
    (line,) = told()
    assert (line["outcome"], line["reason"], line["tokens"]) == (outcome, reason, tokens)


async def test_one_whose_client_goes_is_stopped_with_the_tokens_it_had(told: Told) -> None:
    found = loader(*SAID, threading.Event())
    async with aclosing(found.chat(ChatRequest("hi", caller=ADA))) as replies:
        async for step in replies:
            if step.tokens == 12:
                break
    task = asyncio.ensure_future(read(found, BOB))
    await until(lambda: found.busy == (1, 0))
    await asyncio.sleep(0.2)
    task.cancel()
    await asyncio.wait([task])
    assert [(line["door"], line["outcome"], line["tokens"]) for line in told()] == [
        ("page", "stopped", "12"),
        ("openai", "stopped", "12"),
    ]


async def test_one_that_is_read_to_its_end_is_complete_however_its_reader_leaves(told: Told) -> None:
    async with aclosing(loader(*SAID, Finished("stop", 12, 0.5, 1.0)).chat(ChatRequest("hi"))) as replies:
        async for step in replies:
            if step.end:
                break
    assert told()[0]["outcome"] == "done"


async def test_the_time_in_the_queue_is_told_also_of_those_who_leave_there(told: Told) -> None:
    go_on = threading.Event()
    found = loader(*SAID, go_on, Finished("stop", 12, 0.5, 1.0), queue=1)
    first = asyncio.ensure_future(read(found))
    await until(lambda: found.busy == (1, 0))
    leaving = asyncio.ensure_future(read(found, BOB))
    await until(lambda: found.busy == (1, 1))
    await read(found, Caller("mcp", "eve"))
    await asyncio.sleep(0.3)
    leaving.cancel()
    await asyncio.wait([leaving])
    second = asyncio.ensure_future(read(found, BOB))
    await until(lambda: found.busy == (1, 1))
    await asyncio.sleep(0.3)
    go_on.set()
    await asyncio.gather(first, second)
    busy, left, ada, bob = told()
    assert (busy["door"], busy["outcome"], busy["reason"], busy["waited"]) == ("mcp", "busy", "full", "0.00")
    assert (left["outcome"], bob["outcome"], ada["waited"]) == ("stopped", "done", "0.00")
    assert all(0.25 < float(line["waited"]) <= float(line["took"]) for line in (left, bob))


async def test_what_is_refused_has_the_key_of_its_text_and_nothing_of_the_message(told: Told) -> None:
    found = loader()
    await read(found, message=SECRET * CONFIG.limits.prompt_characters)
    await read(found, message=" ")
    found.close()
    await read(found)
    assert [(line["outcome"], line["reason"]) for line in told()] == [
        ("refused", "too_many_characters"),
        ("refused", "empty"),
        ("closing", "closing"),
    ]


async def test_an_error_of_one_door_has_the_kind_that_all_doors_share(told: Told) -> None:
    class Refused(RequestError):
        pass

    with pytest.raises(Refused), loader().accounts.refusals(ADA):
        raise Refused(SECRET)
    assert [(line["outcome"], line["reason"]) for line in told()] == [("refused", "RequestError")]
