"""The model in a process of its own: the same replies, and an app that outlives it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import psutil
import pytest

from streamspace.errors import BusyError, EndedError, ModelError, RequestError, unexpected
from streamspace.i18n import t
from streamspace.reply import process, remote
from streamspace.reply.loader import Loader
from streamspace.reply.pipeline import Pipeline
from streamspace.reply.request import ChatRequest
from streamspace.web import health
from tests.reply.test_pipeline import CONFIG, read
from tests.running import ROOT

FAULTY = ("tests/standins/apps/faulty_worker.py",)
ENDED = t("error.model_ended")


@pytest.fixture
async def loader(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Loader]:
    monkeypatch.setattr(process, "PROGRAM", FAULTY)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    limits = CONFIG.limits.model_copy(update={"concurrency": 3})
    made = Loader(CONFIG.model_copy(update={"limits": limits}), remote.pipeline)
    yield made
    made.close()
    if made.pipeline:
        await asyncio.to_thread(made.pipeline.engine.close)


def model(loader: Loader) -> psutil.Process:
    """The process of a loader's model."""
    assert loader.pipeline
    return psutil.Process(loader.pipeline.engine._process.pid)  # type: ignore[attr-defined]


async def said(loader: Loader, text: str) -> str:
    """What a visitor has in the end, and what is said beside it."""
    written = ""
    try:
        async for progress in loader.chat(ChatRequest(text)):
            written = progress.text
    except Exception as error:
        return f"{written}| {error}"
    return written


async def ready(loader: Loader) -> Pipeline:
    async for _ in loader.until_ready():
        pass
    assert loader.pipeline
    return loader.pipeline


@pytest.mark.parametrize("fault", ["die", "leave"])
async def test_a_process_that_ends_costs_the_running_replies_their_rest_and_nobody_else(
    loader: Loader, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = await ready(loader)
    asked = []
    for number, text in enumerate(["one hang", "two hang", fault, *["Hi there"] * 4], 1):
        asked.append(asyncio.create_task(said(loader, text)))
        while sum(first.busy) < number:
            await asyncio.sleep(0.01)
    found = await asyncio.gather(*asked)
    assert found[:3] == [f"one hang | {ENDED}", f"two hang | {ENDED}", f"{fault} | {ENDED}"]
    assert found[3:] == ["Hi there "] * 4
    assert loader.pipeline is not first
    cause = {
        "die": "was ended by signal 9, as the system ends what takes too much memory",
        "leave": "ended with code 3",
    }
    assert f"The model's process {cause[fault]}. It is started again" in caplog.messages


async def test_while_it_is_started_again_the_model_loads_for_all_to_see(loader: Loader) -> None:
    await ready(loader)
    assert await said(loader, "die") == f"die | {ENDED}"
    assert health.health_of(loader)["state"] == "loading"
    steps = await read(loader.chat(ChatRequest("Hi")))
    assert ("loading", "half of it") in [(step.phase, step.note) for step in steps]
    assert health.health_of(loader)["state"] == "ready"


@pytest.mark.parametrize(("fault", "limit", "why"), [
    ("freeze", "SILENT", "was silent for 1 s"),
    ("hang", "STUCK", "did nothing for 1 s"),
])  # fmt: skip
async def test_a_process_that_hangs_is_ended(
    loader: Loader, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: str, limit: str, why: str
) -> None:
    await ready(loader)
    monkeypatch.setattr(process, limit, 1.0)
    assert await said(loader, fault) == f"{fault} | {ENDED}"
    assert f"The model's process {why}. It is started again" in caplog.messages
    assert await said(loader, "Hi") == "Hi "


async def test_a_slow_reply_is_not_taken_for_one_that_hangs(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    await ready(loader)
    monkeypatch.setattr(process, "STUCK", 1.5)
    await asyncio.sleep(2)  # with nothing to do it is silent, which says nothing
    assert await said(loader, "slow slow slow slow slow") == "slow slow slow slow slow "


async def test_a_visitor_who_goes_stops_the_reply_in_the_process(loader: Loader, capfd: Any) -> None:
    await ready(loader)
    async with aclosing(loader.chat(ChatRequest("hang"))) as replies:
        async for progress in replies:
            if progress.text:
                break
    until = time.monotonic() + 10
    while "stopped" not in (told := capfd.readouterr().err) and time.monotonic() < until:
        await asyncio.sleep(0.05)
    assert "stopped" in told
    assert await said(loader, "Hi") == "Hi "


async def test_what_goes_wrong_with_one_reply_is_told_without_what_was_typed(loader: Loader, capfd: Any) -> None:
    pipeline = await ready(loader)
    failed = "The model failed while it was answering. Try again; the Space's log has the details"
    assert await said(loader, "secret raise") == f"secret raise | {failed}"
    with pytest.raises(RequestError) as refused:
        await asyncio.to_thread(pipeline.builder.text, "secret", 1)
    assert refused.value.in_language("de") == t("error.conversations_only").in_language("de")
    with pytest.raises(Exception, match=unexpected()):
        await asyncio.to_thread(pipeline.builder.schema_problem, "secret")
    assert await said(loader, "Hi") == "Hi "
    told = capfd.readouterr().err
    assert "RuntimeError at" in told
    assert "ZeroDivisionError at" in told
    assert "secret" not in told


async def test_a_question_to_a_process_that_has_ended_may_be_asked_again(loader: Loader) -> None:
    pipeline = await ready(loader)
    model(loader).kill()
    model(loader).wait()
    with pytest.raises(EndedError) as caught:
        await asyncio.to_thread(pipeline.builder.schema_problem, "{}")
    assert isinstance(caught.value, BusyError)
    assert await said(loader, "Hi") == "Hi "


@pytest.mark.parametrize(("fault", "message"), [
    ("refuse", "model.id: 'a' is gated"),
    ("die", "model.id: expected a model that this machine can load, and the process that loaded './models/tiny' was "
     "ended by signal 9, as the system ends what takes too much memory. Choose a smaller one, or set "
     "model.quantization: int8"),
])  # fmt: skip
async def test_why_the_model_cannot_be_loaded_is_told(
    loader: Loader, monkeypatch: pytest.MonkeyPatch, fault: str, message: str
) -> None:
    monkeypatch.setenv("LOADING", fault)
    await asyncio.to_thread(loader.load)
    assert loader.error == message
    with pytest.raises(ModelError):
        await ready(loader)


async def test_the_process_ends_when_the_app_closes_it_and_is_not_started_again(loader: Loader, capfd: Any) -> None:
    pipeline = await ready(loader)
    running = model(loader)
    loader.close()
    await asyncio.to_thread(pipeline.engine.close)
    assert not running.is_running()
    assert "closed" in capfd.readouterr().err
    assert loader.progress == "half of it"
    assert not loader._loading.locked()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_process_ends_with_an_app_that_is_killed(number: signal.Signals) -> None:
    code = f"""
import pathlib, time
from streamspace.config import file
from streamspace.reply import process, remote
process.PROGRAM = {FAULTY!r}
made = remote.pipeline(file.read(pathlib.Path("config/tiny.yaml")), print)
print(made.engine._process.pid, flush=True)
time.sleep(60)
"""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as app:
        assert app.stdout
        assert app.stdout.readline() == "half of it\n"
        running = psutil.Process(int(app.stdout.readline()))
        app.send_signal(number)
    psutil.wait_procs([running], timeout=10)
    assert not running.is_running()


def test_the_replies_are_those_of_a_model_in_this_process_which_imports_no_torch() -> None:
    code = """
import asyncio, pathlib, sys
from streamspace.config import file
from streamspace.reply import build
from streamspace.reply.request import ChatRequest
async def read(made):
    for values in ({"temperature": 0}, {"temperature": 0.9, "seed": 3}):
        async for now in made.chat(ChatRequest("What is ZeroGPU?", sampling=values)):
            pass
        print(now.text, now.tokens, now.end.reason)
    print("torch" in sys.modules)
    made.engine.close()
asyncio.run(read(build.pipeline(file.read(pathlib.Path("config/tiny.yaml")), str)))
"""
    told = []
    for without in ("process", ""):
        env = {**os.environ, "STREAMSPACE_WITHOUT": without}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True
        )
        told.append(done.stdout.splitlines())
    assert told[0][:-1] == told[1][:-1]
    assert (told[0][-1], told[1][-1]) == ("True", "False")
