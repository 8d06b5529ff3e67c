"""GET /metrics of the real app, read by Prometheus's own parser."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
import typing
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

import openai
import pytest
from gradio_client import Client
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from streamspace.events import Finished, Heartbeat, Reason, TextDelta
from streamspace.reply.account import OUTCOMES, Account
from streamspace.reply.progress import Progress, after
from streamspace.reply.request import Caller, ChatRequest
from streamspace.web.metrics import DOORS, Metrics
from tests.app.test_hostile_calls import QUESTION, with_question
from tests.app.test_mcp import agent, ask
from tests.app.test_openai import client, user
from tests.app.test_redacting import page_call
from tests.reply.test_account import loader
from tests.running import ROOT, App

SCRIPTED = "tests/standins/apps/scripted_app.py"
Series = dict[tuple[str, tuple[str, ...]], float]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    changes = {"doors.metrics": True, "limits.concurrency": 1}
    running = App(tmp_path_factory.mktemp("measured"), changes, SCRIPTED)
    yield running
    running.end()


def served(app: App) -> str:
    with urllib.request.urlopen(f"{app.url}/metrics", timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        text: str = answer.read().decode()
    return text


def series(text: str) -> Series:
    """Each value by its name and its labels' values."""
    return {
        (sample.name.removeprefix("streamspace_"), tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def more(before: Series, now: Series) -> Series:
    """What has grown, without the buckets."""
    grown = {key: value - before[key] for key, value in now.items() if not key[0].endswith("_bucket")}
    return {key: value for key, value in grown.items() if value}


async def test_replies_of_every_door_are_counted_with_their_end_and_measured(measured: App) -> None:
    before = series(served(measured))
    with client(measured) as found:
        for _ in range(2):
            found.chat.completions.create(model="tiny", messages=user("hello there"))
        with pytest.raises(openai.BadRequestError):
            found.chat.completions.create(model="tiny", messages=user("hi"), n=2)
        with pytest.raises(openai.APIError):
            found.chat.completions.create(model="tiny", messages=user("bad"))
    other = await asyncio.to_thread(Client, measured.url, verbose=False)
    assert await asyncio.to_thread(other.predict, "hello there", api_name="/chat") == "hello there"
    other.close()
    async with agent(measured) as session:
        await ask(session, "cut")
    await asyncio.to_thread(page_call, measured, with_question(measured)[0], [QUESTION])
    grown = more(before, series(served(measured)))
    assert {key: value for key, value in grown.items() if key[0] == "requests_total"} == {
        ("requests_total", ("openai", "done")): 2,
        ("requests_total", ("openai", "refused")): 1,
        ("requests_total", ("openai", "failed")): 1,
        ("requests_total", ("gradio", "done")): 1,
        ("requests_total", ("mcp", "length")): 1,
        ("requests_total", ("page", "done")): 1,
    }
    assert grown["time_to_first_token_seconds_count", ()] == grown["request_queue_time_seconds_count", ()] == 6
    assert grown["generation_tokens_per_second_count", ()] == 5
    assert 40 < grown["generation_tokens_per_second_sum", ()] / 5 < 70  # the script's speed is 60
    assert grown["generation_tokens_total", ()] == 2 * 3 + 3 + 3 + 9 + 3
    assert not [name for name, _ in grown if name.startswith("gpu_")]


async def test_what_runs_and_what_waits_is_told_as_it_is_now_and_a_stop_is_an_end(measured: App) -> None:
    before = series(served(measured))
    async with openai.AsyncOpenAI(base_url=f"{measured.url}/v1", api_key="none", max_retries=0) as found:
        asking = [
            asyncio.ensure_future(found.chat.completions.create(model="tiny", messages=user("slow"))) for _ in range(3)
        ]
        now = before
        until = time.monotonic() + 10
        while now["num_requests_waiting", ()] < 2 and time.monotonic() < until:
            await asyncio.sleep(0.05)
            now = series(await asyncio.to_thread(served, measured))
        assert (now["num_requests_running", ()], now["num_requests_waiting", ()]) == (1, 2)
        for each in asking:
            each.cancel()
        while now["requests_total", ("openai", "stopped")] < 3 and time.monotonic() < until:
            await asyncio.sleep(0.05)
            now = series(await asyncio.to_thread(served, measured))
    assert (now["num_requests_running", ()], now["num_requests_waiting", ()]) == (0, 0)
    assert more(before, now)["request_queue_time_seconds_sum", ()] > 0


def test_nothing_of_a_visitor_is_in_it_and_other_methods_and_headers_do_no_harm(measured: App) -> None:
    with client(measured) as found:
        found.chat.completions.create(model="tiny", messages=user("xylophone-4711"), user="xylophone-4711")
    assert "xylophone" not in served(measured)
    odd = urllib.request.Request(
        f"{measured.url}/metrics?name[]=%ff", headers={"Accept": "\xff", "Accept-Encoding": "\xff"}
    )
    with urllib.request.urlopen(odd, timeout=10) as answer:
        assert answer.read().decode().startswith("# HELP streamspace_")
    with pytest.raises(urllib.error.HTTPError, match="405"):
        urllib.request.urlopen(f"{measured.url}/metrics", b"", timeout=10)
    assert "Traceback" not in measured.log


def test_the_page_of_operations_explains_each_metric_that_is_served_and_no_other(measured: App) -> None:
    found = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in text_string_to_metric_families(served(measured))
    }
    page = (ROOT / "docs/operations.md").read_text("utf-8")
    explained = re.findall(
        r"`(streamspace_\w+)", "\n".join(re.findall(r"^\| (`streamspace_[^|]*) \|", page, re.MULTILINE))
    )
    assert sorted(explained) == sorted(found)
    assert len(found) >= 10


def test_without_the_key_there_is_no_route_and_no_package_of_prometheus(scripted: App) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{scripted.url}/metrics", timeout=10)
    code = "import sys, app, streamspace.web.startup; print('prometheus_client' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def account(door: Any = "openai", outcome: str = "done", *events: Any) -> Account:
    made = Account(Caller(door))
    now = Progress()
    for event in events:
        now = after(now, event)
        made.note(now)
    made.end(None)
    made.outcome = outcome
    return made


@given(st.text() | st.sampled_from(DOORS), st.text() | st.sampled_from(OUTCOMES), st.integers(0, 10**9))
def test_no_door_or_outcome_makes_a_series_that_was_not_there_from_the_start(
    door: str, outcome: str, tokens: int
) -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    before = series(generate_latest(registry).decode())
    metrics.count(account(door, outcome, TextDelta("a", tokens), Finished("stop", tokens, 0.1, 0.2, tokens)))
    now = series(generate_latest(registry).decode())
    assert set(now) == set(before)
    assert sum(value for (name, _), value in now.items() if name == "requests_total") == 1


@pytest.mark.parametrize("reason", typing.get_args(Reason))
async def test_every_end_of_an_engine_is_a_known_outcome(reason: Reason) -> None:
    made = loader(Finished(reason, 1, 0.1, 0.2))
    heard: list[str] = []
    made.accounts.listeners.append(lambda account: heard.append(account.outcome))
    async with aclosing(made.chat(ChatRequest("hi"))) as replies:
        async for _ in replies:
            pass
    assert set(heard) <= set(OUTCOMES)
    assert len(heard) == 1


ASKED = Heartbeat("waiting", 30)


@pytest.mark.parametrize(
    ("events", "asked", "used"),
    [
        ([ASKED, Finished("stop", 9, 0.5, 2.5)], 30, 2.5),
        ([ASKED], 0, 0),  # no card became free, or there was no quota
        ([ASKED, Heartbeat("prefill")], 30, pytest.approx(0, abs=0.2)),  # stopped, or failed
        ([Heartbeat("prefill"), Finished("stop", 9, 0.5, 2.5)], 0, 0),  # not on ZeroGPU
    ],
)
def test_gpu_seconds_are_those_of_replies_that_got_a_gpu(events: list[Any], asked: int, used: Any) -> None:
    assert account("page", "done", *events).gpu_seconds == (asked, used)
