"""GET /health says whether a reply could be written now, and if not, why."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from gradio_client import Client

from streamspace.config.types import Config
from streamspace.engines.batching import BatchingEngine
from streamspace.errors import ModelError
from streamspace.events import Failure, Finished, Request, TextDelta
from streamspace.prompt.builder import PromptBuilder
from streamspace.reply.loader import Loader
from streamspace.reply.pipeline import Pipeline
from streamspace.web import health
from tests.conftest import Probe
from tests.engines.test_batching import GREEDY, ask, steps, text, write
from tests.reply.test_pipeline import CONFIG, Scripted
from tests.running import App

READY = {"ok": True, "state": "ready", "reason": None, "writing": 0, "waiting": 0}


def asked(app: App) -> tuple[int, dict[str, Any]]:
    try:
        with urllib.request.urlopen(f"{app.url}/health", timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_a_ready_app_is_well(app: App) -> None:
    assert Client(app.url, verbose=False).predict("What is ZeroGPU?", api_name="/chat")  # it is loaded then
    status, found = asked(app)
    assert status == 200
    assert found.pop("engine") in ("generate", "batching")
    assert found == READY


def test_an_app_whose_passes_all_fail_says_so_until_one_succeeds(app: App, probe: Probe) -> None:
    client = Client(app.url, verbose=False)
    with probe.set("fail", "the device is lost"):
        with pytest.raises(Exception, match="The model failed"):
            client.predict("Hello", api_name="/chat")
        until = time.monotonic() + 10  # the visitor doesn't wait for the engine's own try
        while (found := asked(app))[0] == 200 and time.monotonic() < until:
            time.sleep(0.05)
    assert found[0] == 503
    assert found[1]["reason"] == "The model failed while it was answering. Try again; the Space's log has the details"
    assert client.predict("Hello", api_name="/chat")
    assert asked(app)[0] == 200


def test_replies_that_are_written_are_counted_and_those_that_wait(start: Callable[..., App]) -> None:
    app = start(changes={"limits.concurrency": 1}, script="tests/standins/apps/scripted_app.py")
    client = Client(app.url, verbose=False)
    jobs = [client.submit("slow", api_name="/chat") for _ in range(3)]
    until = time.monotonic() + 10  # the three calls come one after the other
    while (found := asked(app)[1])["waiting"] < 2 and time.monotonic() < until:
        time.sleep(0.02)
    assert (found["ok"], found["writing"], found["waiting"]) == (True, 1, 2)
    for job in jobs:
        job.cancel()


def test_an_app_without_its_model_says_why(start: Callable[..., App]) -> None:
    app = start(changes={"model.id": "./models/none"})
    client = Client(app.url, verbose=False)
    with pytest.raises(Exception, match="could not be loaded"):
        client.predict("hi", api_name="/chat")
    status, found = asked(app)
    assert (status, found["ok"], found["state"]) == (503, False, "failed")
    assert found["reason"].startswith("The model could not be loaded. model.id: ")


def test_while_the_model_loads_and_after_it_failed_and_when_it_is_there(tiny: Any) -> None:
    loaded = threading.Event()

    def make(config: Config, on_progress: Callable[[str], None]) -> Pipeline:
        on_progress("Downloading owner/name: 1.0 of 3.1 GB")
        loaded.wait(10)
        engine = Scripted(TextDelta("Hello", 1), Finished("stop", 1, 0.1, 0.1))
        return Pipeline(CONFIG, engine, PromptBuilder(tiny.tokenizer, 2048, 1024))

    loader = Loader(CONFIG, make)
    loader.ensure_started()
    while not loader.progress:
        pass
    found = health.health_of(loader)
    assert (found["ok"], found["state"], found["reason"]) == (False, "loading", "Downloading owner/name: 1.0 of 3.1 GB")
    loaded.set()
    while not loader.pipeline:
        pass
    assert health.health_of(loader) == {**READY, "engine": "scripted"}

    def refuse(config: Config, on_progress: Callable[[str], None]) -> Pipeline:
        raise ModelError("model.id: 'owner/name' is gated")

    broken = Loader(CONFIG, refuse)
    broken.load()
    found = health.health_of(broken)
    assert (found["state"], found["reason"]) == (
        "failed",
        "The model could not be loaded. model.id: 'owner/name' is gated",
    )


@pytest.fixture
def batching(tiny: Any) -> Any:
    engine = BatchingEngine(tiny.model, tiny.tokenizer, capacity=2, longest=200)
    yield engine
    engine.close()


def test_a_batch_whose_every_pass_fails_is_ill_until_a_reply_is_written(batching: BatchingEngine, tiny: Any) -> None:
    def fail(_: int) -> None:
        raise RuntimeError("the device is lost")

    hello = Request(ask(tiny, "Hello"), GREEDY)
    assert batching.unavailable_reason() is None
    with steps(tiny.model, before=fail):
        assert isinstance(write(batching, hello)[-1], Failure)
    assert (
        batching.unavailable_reason()
        == "The model failed while it was answering. Try again; the Space's log has the details"
    )
    assert text(write(batching, hello))
    assert batching.unavailable_reason() is None


def test_a_reply_that_fails_by_its_own_fault_is_no_ailment(batching: BatchingEngine, tiny: Any) -> None:
    poison = (*ask(tiny, "Hello"), 2000)

    def fail(_: Any, args: Any, kwargs: dict[str, Any]) -> None:
        if 2000 in kwargs["input_ids"]:
            raise RuntimeError("this prompt only")

    hook = tiny.model.register_forward_pre_hook(fail, with_kwargs=True)
    try:
        assert isinstance(write(batching, Request(poison, GREEDY))[-1], Failure)
    finally:
        hook.remove()
    assert batching.unavailable_reason() is None


def test_an_old_failure_says_nothing_of_the_engine(
    batching: BatchingEngine, tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise RuntimeError("the device is lost")

    with steps(tiny.model, before=fail):
        write(batching, Request(ask(tiny, "Hello"), GREEDY))
    assert batching.unavailable_reason()
    monkeypatch.setattr("streamspace.engines.engine.STALE", 0.0)
    assert batching.unavailable_reason() is None
