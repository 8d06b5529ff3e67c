"""The GPU seconds that a reply asks for: as few as are honest, within the config's bounds."""

from __future__ import annotations

import pytest

from streamspace.config.types import Gpu
from streamspace.engines.budget import Budget
from streamspace.events import Finished

GPU = Gpu(min_seconds=5, max_seconds=60, prompt_tokens_per_second=1000, tokens_per_second=20)


@pytest.mark.parametrize(
    ("prompt", "new", "seconds"),
    [
        (10, 10, 5),  # the floor
        (2000, 400, 23),  # 2 s to read, 20 s to write, 1 s to spare
        (2500, 400, 24),  # always whole seconds, rounded up
        (0, 5000, 60),  # the ceiling: a longer reply ends early and can be continued
    ],
)
def test_the_seconds_follow_from_the_lengths_within_the_bounds(prompt: int, new: int, seconds: int) -> None:
    assert Budget(GPU).seconds(prompt, new) == seconds


def test_measured_replies_replace_the_configured_speed_with_caution() -> None:
    budget = Budget(GPU)
    budget.learn(
        Finished("stop", 101, time_to_first_token=1.0, duration=3.0)
    )  # 50 tokens/s, of which 40 are relied upon
    assert budget.seconds(0, 800) == 21
    budget.learn(
        Finished("stop", 101, time_to_first_token=1.0, duration=5.0)
    )  # a slower one pulls it down, not all the way
    assert 21 < budget.seconds(0, 800) < 41


def test_a_reply_of_a_few_tokens_teaches_nothing() -> None:
    budget = Budget(GPU)
    budget.learn(Finished("cancelled", 3, time_to_first_token=0.1, duration=9.0))
    budget.learn(Finished("stop", 50, time_to_first_token=1.0, duration=1.0))
    budget.learn(Finished("stop", 19, time_to_first_token=1.0, duration=9.0))
    assert budget.seconds(0, 400) == 21


def test_twenty_tokens_in_less_than_a_second_are_measured() -> None:
    budget = Budget(GPU)
    budget.learn(Finished("stop", 20, time_to_first_token=1.0, duration=1.5))  # 38 tokens/s, of which 30.4
    assert budget.seconds(0, 400) == 15


def test_a_later_reply_counts_for_three_tenths() -> None:
    budget = Budget(GPU)
    budget.learn(Finished("stop", 101, time_to_first_token=1.0, duration=3.0))  # 40 tokens/s
    budget.learn(Finished("stop", 101, time_to_first_token=1.0, duration=5.0))  # 20 tokens/s: 34 in all
    assert budget.seconds(0, 340) == 11
    assert budget.seconds(0, 341) == 12
