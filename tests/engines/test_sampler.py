"""The pass chooses what `generate` would: bit for bit, for any scores, parameters and rows beside one another."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LogitsProcessorList

from streamspace.engines import transformers_internals as internals
from streamspace.engines.preparation import generation_config
from streamspace.engines.sampler import BatchSampler, RequestSampler
from streamspace.events import Request
from streamspace.sampling import SamplingParams

SIZES = [1, 5, 60, 2048, 9001]
CAPACITY = 8

parameters = st.builds(
    SamplingParams,
    max_new_tokens=st.just(9),
    temperature=st.sampled_from([0.0, 0.1, 0.7, 1.0, 1.5, 5.0]),
    top_k=st.sampled_from([0, 0, 1, 2, 7, 50, 100_000]),
    top_p=st.sampled_from([0.01, 0.3, 0.5, 0.9, 0.95, 0.999, 1.0, 1.0]),
    min_p=st.sampled_from([0.0, 0.0, 0.05, 0.5, 1.0]),
    repetition_penalty=st.sampled_from([0.5, 1.0, 1.0, 1.3, 5.0]),
    seed=st.integers(0, 2**31),
)


@st.composite
def scores(draw: st.DrawFn, rows: int, size: int) -> torch.Tensor:
    """Of some models: close or far from one another, many equal, many that can't be."""
    made = torch.randn(rows, size, generator=torch.Generator().manual_seed(draw(st.integers(0, 2**31))))
    made *= draw(st.sampled_from([0.01, 1.0, 3.0, 40.0]))
    made = draw(st.sampled_from([made, made.bfloat16().float(), made.round(), torch.zeros_like(made)]))
    least = draw(st.sampled_from([-torch.inf, 0.0, 2.0]))
    return torch.where(made < torch.minimum(torch.tensor(least), made.amax(-1, keepdim=True)), -torch.inf, made)


Drawn = tuple[list[SamplingParams], list[list[int]], list[torch.Tensor]]


@st.composite
def passes(draw: st.DrawFn, sizes: list[int] = SIZES) -> Drawn:
    size = draw(st.sampled_from(sizes))
    rows = draw(st.lists(parameters, min_size=1, max_size=CAPACITY))
    ids = st.lists(st.integers(0, size + 2), min_size=1, max_size=12)  # a model may have fewer scores than tokens
    return rows, [draw(ids) for _ in rows], [draw(scores(len(rows), size)) for _ in range(2)]


def sampler(model: Any, ids: list[int], sampling: SamplingParams) -> RequestSampler:
    return RequestSampler.of(Request(tuple(ids), sampling), model, LogitsProcessorList())


def states(ids: list[list[int]]) -> list[Any]:
    return [SimpleNamespace(initial_tokens=each, generated_tokens=[]) for each in ids]


class Generate:
    """The reply of `generate`: its processors, and torch's own choice."""

    def __init__(self, model: Any, ids: list[int], sampling: SamplingParams) -> None:
        config = generation_config(model.generation_config, sampling)
        self._processors = internals.logits_processors(model, config, len(ids), LogitsProcessorList())
        self._rng = torch.Generator().manual_seed(sampling.seed)
        self._sampled = config.do_sample

    def choose(self, ids: list[int], scores: torch.Tensor) -> int:
        found = self._processors(torch.tensor([ids]), scores[None].clone())
        if self._sampled:
            return int(torch.multinomial(found.softmax(-1), 1, generator=self._rng))
        return int(found.argmax())


def check(model: Any, rows: list[SamplingParams], ids: list[list[int]], given: list[torch.Tensor]) -> None:
    batch, written = BatchSampler(CAPACITY), states(ids)
    ours = [sampler(model, *each) for each in zip(ids, rows, strict=True)]
    theirs = [Generate(model, *each) for each in zip(ids, rows, strict=True)]
    for scores in given:
        expected = [
            each.choose(internals.tokens_of(state), row)
            for each, state, row in zip(theirs, written, scores, strict=True)
        ]
        assert batch.sample(ours, written, scores.clone()).argmax(-1).tolist() == expected
        for state, token in zip(written, expected, strict=True):
            state.generated_tokens.append(token)


@settings(max_examples=120, deadline=None)
@given(drawn=passes())
def test_each_row_is_sampled_as_generate_samples_it_alone(tiny: Any, drawn: Drawn) -> None:
    check(tiny.model, *drawn)


@pytest.mark.parametrize(
    "asked",
    [
        {"sequence_bias": [[[4], 9.0], [[1, 3], 9.0]]}, {"top_h": 0.4}, {"epsilon_cutoff": 0.01},
        {"sequence_bias": [[[4], -9.0]], "eta_cutoff": 0.02},
    ],
    ids=str,
)  # fmt: skip
@settings(max_examples=6, deadline=None)
@given(drawn=passes(sizes=[60]))
def test_what_a_models_own_config_asks_for_keeps_its_place(tiny: Any, asked: dict[str, Any], drawn: Drawn) -> None:
    model = copy.copy(tiny.model)
    model.generation_config = copy.deepcopy(tiny.model.generation_config)
    model.generation_config.update(**asked)
    assert sampler(model, [1], SamplingParams(max_new_tokens=9, temperature=0.7, top_k=5, seed=1)).alone
    check(model, *drawn)


def test_a_pass_without_probabilities_fails_and_takes_no_random_number(tiny: Any) -> None:
    sampling = SamplingParams(max_new_tokens=9, temperature=1.0, top_k=2, top_p=0.9, seed=1)
    batch, rows, written = BatchSampler(2), [sampler(tiny.model, [1], sampling) for _ in range(2)], states([[1], [1]])
    for broken in (torch.nan, torch.inf):
        scores = torch.randn(2, 60)
        scores[1, 7] = broken
        with pytest.raises(RuntimeError, match="the scores are infinite or no numbers"):
            batch.sample(rows, written, scores)
    scores = torch.randn(1, 60)
    chosen = batch.sample(rows[:1], written[:1], scores.clone()).argmax()
    assert int(chosen) == Generate(tiny.model, [1], sampling).choose([1], scores[0])
