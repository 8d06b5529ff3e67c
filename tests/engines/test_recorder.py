"""How likely each token of an answer was: as the model has it, in every engine, and no token of another part."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from streamspace.engines import recorder
from streamspace.engines.batching import BatchingEngine
from streamspace.engines.generate import GenerateEngine
from streamspace.events import Event, Request, Scored, TextDelta
from tests.engines.test_constrained import write
from tests.engines.test_generate import ask, sampling, text

THOUGHTFUL = "Which is larger, 9.11 or 9.9?"


@pytest.fixture(scope="module", params=["generate", "batching"])
def engine(request: pytest.FixtureRequest, tiny: Any) -> Iterator[Any]:
    made: Any = (
        GenerateEngine(tiny.model, tiny.tokenizer)
        if request.param == "generate"
        else BatchingEngine(tiny.model, tiny.tokenizer, capacity=3, longest=2000)
    )
    yield made
    made.close()


def scored(events: list[Event]) -> list[Scored]:
    return [each for event in events if isinstance(event, TextDelta) for each in event.scored]


def written(told: list[Scored]) -> str:
    return b"".join(each.own.token for each in told).decode()


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_the_scores_are_the_models_own_before_any_sampling(engine: Any, tiny: Any, temperature: float) -> None:
    asked = sampling(likeliest=3, temperature=temperature, top_k=2, max_new_tokens=24, seed=5)
    request = Request(ask(tiny, "What is ZeroGPU? 👋"), asked, begins="answer")
    told = scored(events := write(engine, request))
    assert written(told) == text(events)
    assert len(told) == 24
    ids = tiny.tokenizer(written(told), add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        logits = tiny.model(torch.tensor([[*request.prompt, *ids]])).logits[0, len(request.prompt) - 1 : -1]
    expected = logits.float().log_softmax(-1)
    found = torch.tensor([each.own.logarithm for each in told[: len(ids)]])
    assert torch.allclose(found, expected.gather(1, torch.tensor(ids)[:, None])[:, 0], atol=0.02)
    tops = torch.tensor([[each.logarithm for each in one.likeliest] for one in told[: len(ids)]])
    assert torch.allclose(tops, expected.topk(3).values, atol=0.02)
    if not temperature:
        assert all(each.own == each.likeliest[0] for each in told)


def test_only_the_answers_tokens_are_told(engine: Any, tiny: Any) -> None:
    events = write(engine, Request(ask(tiny, THOUGHTFUL), sampling(likeliest=0, max_new_tokens=300), begins="answer"))
    assert any(event.kind == "reasoning" for event in events if isinstance(event, TextDelta))
    told = scored(events)
    assert written(told).strip() == text([event for event in events if getattr(event, "kind", "") == "answer"]).strip()
    assert all(each.likeliest == () for each in told)


def test_nothing_is_told_to_who_does_not_ask(engine: Any, tiny: Any) -> None:
    assert scored(write(engine, Request(ask(tiny, "Hello"), sampling(), begins="answer"))) == []


def test_a_mask_does_not_change_what_is_told(engine: Any, tiny: Any) -> None:
    schema = json.dumps({"type": "object", "properties": {"n": {"enum": [7]}}, "required": ["n"]})
    free = Request(ask(tiny, "Hello"), sampling(likeliest=1, max_new_tokens=8), begins="answer")
    held = dataclasses.replace(free, sampling=dataclasses.replace(free.sampling, grammar=schema, max_new_tokens=60))
    first, masked = scored(write(engine, free))[0], scored(write(engine, held))
    assert masked[0].likeliest == first.likeliest
    assert masked[0].own.token != first.own.token
    assert json.loads(written(masked))["n"] == 7


def by_bytes() -> Any:
    alphabet = {character: id_ for id_, character in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    made = Tokenizer(models.BPE(alphabet, []))
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    return made


def by_characters() -> Any:
    listed = [("<unk>", 0.0), *((f"<0x{byte:02X}>", -9.0) for byte in range(256))]
    listed += [(character, -1.0) for character in "▁abcdefg"]
    made = Tokenizer(models.Unigram(listed, unk_id=0, byte_fallback=True))
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    made.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="never")])
    return made


@pytest.mark.parametrize("kind", [by_bytes, by_characters])
@settings(max_examples=60, deadline=None)
@given(st.text().filter(lambda said: "▁" not in said))
def test_the_bytes_of_any_texts_tokens_are_the_texts(kind: Any, said: str) -> None:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=kind())
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|é|>"]})
    ids = tokenizer(said + "<|é|>", add_special_tokens=False)["input_ids"]
    assert b"".join(recorder._bytes(tokenizer, id_) for id_ in ids).decode() == said + "<|é|>"


def test_a_token_without_a_name_stands_for_nothing(tiny: Any) -> None:
    assert recorder._bytes(tiny.tokenizer, 10**6) == b""
