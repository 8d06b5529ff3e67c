"""Sampling parameters are checked against the config's bounds, since the server doesn't."""

from __future__ import annotations

import math
from typing import Any

import pytest

from streamspace.config import file as configfile
from streamspace.errors import RequestError
from streamspace.reply.parameters import choose
from streamspace.sampling import SamplingParams
from tests.running import ROOT

BOUNDS = configfile.read(ROOT / "config/cpu.yaml").sampling


def test_without_a_wish_the_config_decides() -> None:
    found = choose(BOUNDS, {})
    assert found == SamplingParams(
        max_new_tokens=256, temperature=0.7, top_p=0.8, top_k=20, repetition_penalty=1.1, seed=found.seed
    )


def test_every_reply_has_a_seed_and_each_a_new_one() -> None:
    assert len({choose(BOUNDS, {}).seed for _ in range(20)}) == 20
    assert choose(BOUNDS, {"seed": 7}).seed == 7
    assert choose(BOUNDS.model_copy(update={"seed": 9}), {}).seed == 9


def test_whole_numbers_may_come_as_floats() -> None:
    found = choose(BOUNDS, {"max_new_tokens": 64.0, "top_k": 0, "seed": 3.0, "temperature": 0})
    assert found == SamplingParams(
        max_new_tokens=64, temperature=0.0, top_p=0.8, top_k=0, repetition_penalty=1.1, seed=3
    )
    assert isinstance(found.max_new_tokens, int)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"temperature": 9}, "temperature: expected a number from 0 to 1.5, got 9"),
        ({"temperature": math.nan}, "temperature: expected a number from 0 to 1.5, got nan"),
        ({"top_p": math.inf}, "top_p: expected a number from 0.05 to 1, got inf"),
        ({"max_new_tokens": 10**9}, "max_new_tokens: expected a whole number from 16 to 1024, got 1e+09"),
        ({"max_new_tokens": 10**400},
         "max_new_tokens: expected a whole number from 16 to 1024, got '1000000000000000000000000000000000000000'"),
        ({"max_new_tokens": 20.5}, "max_new_tokens: expected a whole number from 16 to 1024, got 20.5"),
        ({"top_k": "many"}, "top_k: expected a whole number from 0 to 200, got 'many'"),
        ({"repetition_penalty": True}, "repetition_penalty: expected a number from 1 to 1.5, got 'True'"),
        ({"seed": -1}, "seed: expected a whole number from 0 to 2147483647, or none, got '-1'"),
        ({"seed": -(10**400)},
         "seed: expected a whole number from 0 to 2147483647, or none, got '-100000000000000000000000000000000000000'"),
        ({"seed": math.nan}, "seed: expected a whole number from 0 to 2147483647, or none, got 'nan'"),
        ({"top_p": 0, "seed": "x"},
         "top_p: expected a number from 0.05 to 1, got 0; seed: expected a whole number from 0 to 2147483647, or none, got 'x'"),
    ],
)  # fmt: skip
def test_what_is_out_of_bounds_is_refused_all_at_once(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError) as caught:
        choose(BOUNDS, asked)
    assert str(caught.value) == message


@pytest.mark.parametrize("seed", [0, 2147483647])
def test_the_first_and_the_last_seed_are_taken(seed: int) -> None:
    assert choose(BOUNDS, {"seed": seed}).seed == seed
