"""The end of the real app by a signal: nothing begins, what is being written is written, and the exit code is 0."""

from __future__ import annotations

import json
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
import yaml
from gradio_client import Client

from tests.conftest import Probe
from tests.running import ROOT, App

SCRIPTED = "tests/standins/apps/scripted_app.py"
SLOW = yaml.safe_load((ROOT / SCRIPTED).with_name("script.yaml").read_text("utf-8"))["slow"]["says"]
RESTARTING = "This Space is being restarted and takes no new messages. Try again in a minute"
CUT = "This Space is being restarted, which ended the reply. The text so far is kept. Ask again in a minute"


def opened(app: App) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{app.url}/v1", api_key="none", max_retries=0)


def ask(client: openai.OpenAI, text: str) -> str:
    chunks = client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": text}], stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


def health(app: App, path: str = "health") -> dict[str, Any]:
    try:
        with urllib.request.urlopen(f"{app.url}/{path}", timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    assert condition()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_replies_are_written_to_their_end_at_each_door(start: Callable[..., App], number: signal.Signals) -> None:
    app = start(script=SCRIPTED, changes={"limits.concurrency": 2})
    other = Client(app.url, verbose=False)
    with opened(app) as client, ThreadPoolExecutor() as pool:
        writing = [pool.submit(ask, client, "slow"), pool.submit(other.predict, "slow", api_name="/chat")]
        until(lambda: health(app)["writing"] == 2)
        waiting = pool.submit(ask, client, "slow")
        until(lambda: health(app)["waiting"] == 1)
        app.process.send_signal(number)
        with pytest.raises(openai.APIStatusError, match=RESTARTING) as caught:
            waiting.result()
        assert caught.value.status_code == 503
        with pytest.raises(openai.InternalServerError, match=RESTARTING) as caught:
            ask(client, "hello")
        assert caught.value.response.headers["Retry-After"] == "30"
        with pytest.raises(Exception, match=RESTARTING):
            other.predict("hello", api_name="/chat")
        assert health(app) == {
            "ok": False, "state": "closing", "reason": RESTARTING, "engine": None, "writing": 2, "waiting": 0,
        }  # fmt: skip
        assert (health(app, "readyz")["ok"], health(app, "livez")["ok"]) == (False, True)
        assert [each.result() for each in writing] == [SLOW, SLOW]
    assert app.process.wait(10) == 0
    assert "Traceback" not in app.log


def test_a_reply_that_takes_too_long_is_told_and_keeps_its_text(start: Callable[..., App]) -> None:
    app = start(script=SCRIPTED, changes={"limits.grace": 1})
    with opened(app) as client:
        chunks = client.chat.completions.create(
            model="tiny", messages=[{"role": "user", "content": "slow"}], stream=True
        )
        pieces: list[str] = []

        def read() -> None:
            for chunk in chunks:
                pieces.append(chunk.choices[0].delta.content or "")
                if len(pieces) == 3:
                    app.process.terminate()

        with pytest.raises(openai.APIError, match=CUT):
            read()
    assert "".join(pieces)
    assert SLOW.startswith("".join(pieces))
    assert app.process.wait(10) == 0


def test_a_second_signal_does_not_wait(start: Callable[..., App]) -> None:
    app = start(script=SCRIPTED)
    with opened(app) as client, ThreadPoolExecutor() as pool:
        writing = pool.submit(ask, client, "slow")
        until(lambda: health(app)["writing"] == 1)
        app.process.send_signal(signal.SIGINT)
        until(lambda: health(app)["state"] == "closing")
        app.process.send_signal(signal.SIGINT)
        assert app.process.wait(8) == 0
        assert writing.exception()


def test_a_model_in_the_middle_of_a_long_reply_ends_without_a_crash(start: Callable[..., App], probe: Probe) -> None:
    changes = {"limits.grace": 0, "engine": "generate"}
    app = start(script="tests/standins/apps/probed_app.py", changes=changes, env={"PROBE": str(probe.folder)})
    with opened(app) as client, ThreadPoolExecutor() as pool, probe.set("slow", "0.2"):
        until(lambda: health(app)["ok"], 60)
        before = probe.steps
        writing = pool.submit(ask, client, "Count to two hundred")
        until(lambda: probe.steps > before + 3)
        app.process.send_signal(signal.SIGINT)
        assert app.process.wait(15) == 0
        assert CUT in str(writing.exception())
    assert "terminate called" not in app.log
    assert "Ending. Replies being written: 1; they have up to 0 s" in app.log
