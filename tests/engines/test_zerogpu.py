"""What is asked of ZeroGPU and what it says, without ZeroGPU; tests/app/test_zerogpu.py runs the app on it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import gradio as gr
import httpx
import pytest

from streamspace.config.types import Gpu
from streamspace.engines import zerogpu
from streamspace.engines.budget import Budget
from streamspace.engines.engine import Events
from streamspace.errors import GpuError
from streamspace.events import Event, Failure, Finished, Heartbeat, Request, TextDelta
from streamspace.sampling import SamplingParams
from tests.reply.test_pipeline import CONFIG

SAMPLING = SamplingParams(max_new_tokens=60, temperature=0, top_p=1, top_k=0, repetition_penalty=1, seed=0)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "You have exceeded your free GPU quota (60s requested vs. -5s left). Try again in 1:02:03. More: https://a",
            "Your GPU quota for today is too small: this reply requests 60 s, and -5 s are left. Lower the maximum reply "
            "length (max_new_tokens), or come back in 1:02:03",
        ),
        (
            "You have exceeded your daily runs limit",
            "Your GPU quota for today is used up. Come back tomorrow, or sign in with an account that has more",
        ),
        (
            "Space app has reached its GPU limit",
            "The GPU time for visitors who aren't signed in is used up. Sign in to Hugging Face to use your own, or come back "
            "tomorrow",
        ),
        (
            "You are holding too many ZeroGPU credits",
            "Your other replies use all the GPU time you have left. Wait until they are finished",
        ),
        (
            "The requested GPU duration (90s) is larger than the maximum allowed",
            "This reply requests 90 s of GPU time, more than one call may use. Lower the maximum reply length "
            "(max_new_tokens); the Space's owner can lower gpu.max_seconds",
        ),
        ("No GPU was available after 60s", "No GPU became free in time. Try again in a moment"),
        ("Expired ZeroGPU proxy token", "Your session has expired. Reload the page, and ask again"),
        (
            "GPU task aborted",
            "The GPU was withdrawn in the middle of the reply. The text so far is kept: press Continue to go on",
        ),
        ("Tell me of xylophones", "The GPU worker failed. Try again; the Space's log has the details"),
    ],
)
def test_what_spaces_says_is_explained_with_the_next_step(said: str, told: str) -> None:
    assert zerogpu.explain(said) == told


def test_the_seconds_asked_for_are_those_of_the_reply_and_a_margin() -> None:
    assert zerogpu.duration(Request((1,), SAMPLING, time_limit=18.0)) == 19
    assert zerogpu.duration(Request((1,), SAMPLING)) == 1


def test_an_automatic_size_is_left_to_spaces() -> None:
    assert (zerogpu.size(Gpu(size="auto")), zerogpu.size(Gpu(size="xlarge"))) == (None, "xlarge")


def stream(call: Callable[[Request], Events]) -> list[Event]:
    engine = zerogpu.ZeroGpuEngine(call, CONFIG, Budget(Gpu(min_seconds=30, max_seconds=30)))
    return list(engine.stream(Request((1,), SAMPLING), threading.Event()))


def test_the_model_ends_a_second_before_the_gpus_time_does() -> None:
    asked: list[Request] = []
    events = [TextDelta("a", 1), Finished("stop", 1, 0.1, 0.1)]

    def call(request: Request) -> Any:
        asked.append(request)
        yield from events

    assert stream(call) == [Heartbeat("waiting", 30), *events]
    assert (asked[0].time_limit, zerogpu.duration(asked[0])) == (29.0, 30)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (None, "The GPU was withdrawn in the middle of the reply. The text so far is kept: press Continue to go on"),
        (httpx.ReadError("no"), "ZeroGPU can't be reached at the moment. Try again in a minute"),
        (RuntimeError("no"), "ZeroGPU doesn't answer as it should at the moment. Try again in a minute"),
        (gr.Error("No GPU was available after 60s"), "No GPU became free in time. Try again in a moment"),
    ],
)
def test_a_call_that_fails_is_explained(error: Exception | None, told: str) -> None:
    def call(request: Request) -> Any:
        yield TextDelta("a", 1)
        if error:
            raise error

    with pytest.raises(GpuError) as caught:
        stream(call)
    assert str(caught.value) == told


def test_a_defect_of_ours_is_not_laid_to_zerogpu() -> None:
    def call(request: Request) -> Any:
        raise KeyError("x")
        yield

    with pytest.raises(KeyError, match=r"^'x'$"):
        stream(call)


def test_the_next_reply_asks_for_what_the_last_one_took() -> None:
    def call(request: Request) -> Any:
        yield Finished("stop", 101, time_to_first_token=1.0, duration=3.0)  # 50 tokens/s, of which 40

    budget = Budget(Gpu())
    list(zerogpu.ZeroGpuEngine(call, CONFIG, budget).stream(Request((1,), SAMPLING), threading.Event()))
    assert budget.seconds(0, 400) == 11


def test_replies_that_all_fail_say_that_the_space_does_and_a_spent_quota_does_not() -> None:
    ends: list[Any] = [gr.Error("You have exceeded your daily runs limit")] * 3

    def call(request: Request) -> Any:
        end = ends.pop(0)
        if isinstance(end, Exception):
            raise end
        yield end

    engine = zerogpu.ZeroGpuEngine(call, CONFIG, Budget(Gpu()))
    for _ in range(3):
        with pytest.raises(GpuError):
            list(engine.stream(Request((1,), SAMPLING), threading.Event()))
    assert engine.unavailable_reason() is None
    ends += [Failure("The model failed"), Failure("The model failed"), Finished("stop", 1, 0.1, 0.1)]
    for expected in (None, "The model failed", None):
        list(engine.stream(Request((1,), SAMPLING), threading.Event()))
        assert engine.unavailable_reason() == expected
