"""A sampling parameter is declared once, and no place that follows from the declaration leaves it out."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import gradio as gr
import pytest
import torch
from starlette.requests import Request as Asked
from transformers import LogitsProcessorList
from transformers.generation.continuous_batching.requests import RequestState

from streamspace import i18n
from streamspace.config.types import Config
from streamspace.engines.endpoint_payload import payload
from streamspace.engines.preparation import generation_config
from streamspace.engines.sampler import BatchSampler, RequestSampler
from streamspace.events import Message, Request
from streamspace.reply import parameters
from streamspace.reply.loader import Loader
from streamspace.reply.request import ChatRequest, CompletionRequest
from streamspace.sampling import PARAMETERS, Parameter, SamplingParams
from streamspace.web import api
from streamspace.web.page import head
from tests.running import changed

CONFIG = Config.model_validate(changed({}))
NEUTRAL = SamplingParams(max_new_tokens=64, temperature=0.7, seed=1)
NAMES = [each.name for each in PARAMETERS]
EACH = pytest.mark.parametrize("parameter", PARAMETERS, ids=lambda each: each.name)


def other(parameter: Parameter) -> SamplingParams:
    """Sampling in which this parameter alone isn't neutral."""
    middle = type(parameter.default)((parameter.min + parameter.max) / 2)
    return dataclasses.replace(NEUTRAL, **{parameter.name: middle})


@EACH
def test_generate_is_given_it(parameter: Parameter, tiny: Any) -> None:
    base, sampling = tiny.model.generation_config, other(parameter)
    assert getattr(generation_config(base, sampling), parameter.name) == getattr(sampling, parameter.name)
    assert generation_config(base, sampling).to_dict() != generation_config(base, NEUTRAL).to_dict()


@EACH
def test_a_batch_computes_other_scores_with_it(parameter: Parameter, tiny: Any) -> None:
    if parameter.name == "max_new_tokens":
        return  # a batch counts tokens itself: tests/engines/test_batching.py
    torch.manual_seed(1)
    scores, state = torch.randn(1, 2048) * 3, RequestState("one", initial_tokens=list(range(2048)))
    without, with_it = (
        BatchSampler(1).sample(
            [RequestSampler.of(Request((1, 2), each), tiny.model, LogitsProcessorList())], [state], scores.clone()
        )
        for each in (NEUTRAL, other(parameter))
    )
    assert not torch.equal(without, with_it)


@EACH
def test_a_server_is_sent_it_and_extras_only_when_they_change_something(parameter: Parameter) -> None:
    def sent(sampling: SamplingParams) -> dict[str, Any]:
        body = payload(Request((), sampling, messages=(Message("user", "Hi"),)), "owner/model")
        return {**body, **(body["extra_body"] or {})}

    assert sent(other(parameter))[parameter.endpoint or parameter.name] == getattr(other(parameter), parameter.name)
    assert (parameter.name in sent(NEUTRAL)) == (parameter.name == parameter.endpoint)


@EACH
def test_the_page_is_told_its_bounds_and_its_value_reaches_the_reply(parameter: Parameter) -> None:
    told, limits = head.described(CONFIG)["sampling"][parameter.name], getattr(CONFIG.sampling, parameter.name)
    assert told == {"min": limits.min, "max": limits.max, "initial": limits.default, "whole": parameter.is_int}
    asked = {parameter.name: limits.max}
    assert getattr(parameters.choose(CONFIG.sampling, asked), parameter.name) == limits.max


@EACH
@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_each_language_has_a_label_and_a_description_for_it(parameter: Parameter, language: str) -> None:
    texts = i18n.catalog(language)
    assert texts[f"page.{parameter.name}"]
    assert texts[f"page.{parameter.name}_info"]


ASKED = gr.Request(Asked({"type": "http", "headers": [], "client": ("127.0.0.1", 1)}))


class Recorder(Loader):
    """Keeps the requests that reach it, and replies with nothing."""

    def __init__(self) -> None:
        super().__init__(CONFIG, lambda config, _: pytest.fail("nothing is loaded"))
        self.requests: list[ChatRequest | CompletionRequest] = []

    async def _nothing(self, request: ChatRequest | CompletionRequest) -> Any:
        self.requests.append(request)
        return
        yield

    def chat(self, request: ChatRequest) -> Any:
        return self._nothing(request)

    def complete(self, request: CompletionRequest) -> Any:
        return self._nothing(request)


@EACH
@pytest.mark.parametrize("door", [api.chat, api.image_chat, api.complete])
async def test_each_endpoint_of_the_api_passes_it_on(parameter: Parameter, door: Any) -> None:
    recorder = Recorder()
    endpoint = door(recorder)
    declared = inspect.signature(endpoint).parameters[parameter.name]
    assert declared.default is None
    assert declared.annotation == (int | None if parameter.is_int else float | None)
    assert [text async for text in endpoint("hi", request=ASKED, **{parameter.name: 1})] == []
    assert recorder.requests[0].sampling == {parameter.name: 1}


async def test_values_by_position_and_by_name_become_one_request() -> None:
    recorder = Recorder()
    endpoint: Any = api.chat(recorder)
    assert [text async for text in endpoint("hi", [], "", 20, min_p=0.1, thinking=False, request=ASKED)] == []
    (request,) = recorder.requests
    assert request.caller.door == "gradio"
    expected = ChatRequest("hi", [], "", False, sampling={"max_new_tokens": 20, "min_p": 0.1})
    assert dataclasses.replace(request, caller=expected.caller) == expected


def test_greedy_decoding_leaves_the_sampling_keys_out(tiny: Any) -> None:
    greedy = dataclasses.replace(NEUTRAL, temperature=0, top_p=0.5, top_k=5, min_p=0.2, repetition_penalty=1.2)
    config = generation_config(tiny.model.generation_config, greedy)
    given = {name: getattr(config, name) for name in NAMES if getattr(config, name) is not None}
    assert (config.do_sample, given) == (False, {"max_new_tokens": 64, "repetition_penalty": 1.2})


def test_a_neutral_top_k_is_0_since_transformers_takes_50_for_none(tiny: Any) -> None:
    config = generation_config(tiny.model.generation_config, NEUTRAL)
    assert (config.top_k, config.top_p, config.min_p, config.repetition_penalty) == (0, None, None, None)
