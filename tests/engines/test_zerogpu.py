"""What is asked of ZeroGPU and what it says, without ZeroGPU; tests/app/test_zerogpu.py runs the app on it."""

from __future__ import annotations

import pytest

from streamspace.config.types import Gpu
from streamspace.engines import zerogpu
from streamspace.events import Request
from streamspace.sampling import SamplingParams

SAMPLING = SamplingParams(max_new_tokens=60, temperature=0, top_p=1, top_k=0, repetition_penalty=1, seed=0)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "You have exceeded your free GPU quota (60s requested vs. -5s left). Try again in 1:02:03. More: https://a",
            "Your GPU quota for today is too small: this reply requests 60 s, and -5 s are left. Choose a shorter maximum "
            "reply length in the settings, or come back in 1:02:03",
        ),
        (
            "You have exceeded your daily runs limit",
            "Your GPU quota for today is used up. Come back tomorrow, or sign in with an account that has more",
        ),
        (
            "GPU task aborted",
            "The GPU was withdrawn in the middle of the reply. The text so far is kept: press Continue to go on",
        ),
        ("x" * 201, f"The GPU worker failed ({'x' * 200}). Try again; the Space's log has the details"),
    ],
)
def test_what_spaces_says_is_explained_with_the_next_step(said: str, told: str) -> None:
    assert zerogpu.explain(said) == told


def test_the_seconds_asked_for_are_those_of_the_reply_and_a_margin() -> None:
    assert zerogpu.duration(Request((1,), SAMPLING, time_limit=18.0)) == 19
    assert zerogpu.duration(Request((1,), SAMPLING)) == 1


def test_an_automatic_size_is_left_to_spaces() -> None:
    assert (zerogpu.size(Gpu(size="auto")), zerogpu.size(Gpu(size="xlarge"))) == (None, "xlarge")
