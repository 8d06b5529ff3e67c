"""A place is given back exactly once, whatever is raised between taking it and giving it back."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from streamspace.config.server import Endpoint
from streamspace.engines import batching, endpoint, generate
from streamspace.engines.batching import BatchingEngine
from streamspace.engines.endpoint import EndpointEngine
from streamspace.engines.generate import GenerateEngine
from streamspace.engines.slots import Slots
from streamspace.events import Heartbeat, Message, Request
from tests.engines.test_generate import GREEDY, ask
from tests.standins.chat_server import serve, words


class Injected(Exception):
    """What the tests raise."""


class Injector:
    """Raises at the n-th line that a thread runs in the functions of a file, those of an engine here."""

    def __init__(self, file: str, number: int) -> None:
        self.file, self.left, self.raised = file, number, False

    def __call__(self, frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename != self.file:
            return None
        if event == "line" and not self.raised:
            self.left -= 1
            if self.left < 0:
                self.raised = True
                raise Injected
        return self

    def run(self, act: Callable[[], Any]) -> None:
        sys.settrace(self)
        try:
            act()
        except (Injected, RuntimeError):  # one raised in a generator that is closed becomes the other
            pass
        finally:
            sys.settrace(None)


def free(slots: Slots, capacity: int) -> int:
    """How many places can be taken now; a thread that holds one gets a moment to end."""
    until = time.monotonic() + 5
    while slots._free._value < capacity and time.monotonic() < until:  # type: ignore[attr-defined]
        time.sleep(0.01)
    return int(slots._free._value)  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def engines(tiny: Any) -> Iterator[dict[str, Any]]:
    for server in serve():
        server.answers = [words("Hello", "you")]
        made = {
            "generate": GenerateEngine(tiny.model, tiny.tokenizer),
            "batching": BatchingEngine(tiny.model, tiny.tokenizer, 2, 128),
            "endpoint": EndpointEngine(Endpoint(url=server.url, timeout=5), "owner/model", "key", 2),
        }
        yield made
        for engine in made.values():
            engine.close()


@pytest.mark.parametrize("module", [generate, batching, endpoint], ids=lambda module: module.__name__.split(".")[-1])
def test_an_exception_at_any_line_of_an_engine_costs_no_place(
    module: Any, engines: dict[str, Any], tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)  # the loopback would be out of reach too
    name = module.__name__.split(".")[-1]
    engine, lines = engines[name], 0
    prompt = () if name == "endpoint" else ask(tiny, "ping")
    request = Request(prompt, GREEDY, messages=(Message("user", "ping"),))
    while True:
        injector = Injector(module.__file__, lines)
        injector.run(lambda: list(engine.stream(request, threading.Event())))
        assert free(engine._slots, engine.capacity) == engine.capacity, f"line {lines} of the run lost a place"
        if not injector.raised:
            break
        lines += 1
    assert lines > 5
    assert not [event for event in engine.stream(request, threading.Event()) if event == Heartbeat("waiting")]


def test_a_waiting_claim_that_is_closed_takes_nothing() -> None:
    slots = Slots(1)
    with slots.slot() as first:
        assert list(first.wait(threading.Event())) == []
        with slots.slot() as second:
            waiting = second.wait(threading.Event())
            assert next(waiting) == Heartbeat("waiting")
            waiting.close()
    assert free(slots, 1) == 1


def test_a_place_that_is_handed_over_is_given_back_by_the_thread() -> None:
    slots, go = Slots(1), threading.Event()
    with slots.slot() as slot:
        list(slot.wait(threading.Event()))

        def hold() -> None:
            go.wait(5)
            slot.release()

        slot.hand_over(threading.Thread(target=hold))
    assert slots._free._value == 0  # type: ignore[attr-defined]
    go.set()
    assert free(slots, 1) == 1


def test_a_thread_that_cannot_be_started_costs_no_place() -> None:
    slots, thread = Slots(1), threading.Thread(target=lambda: None)
    thread.start()
    with pytest.raises(RuntimeError, match="once"), slots.slot() as slot:  # noqa: PT012
        list(slot.wait(threading.Event()))
        slot.hand_over(thread)
    assert free(slots, 1) == 1
