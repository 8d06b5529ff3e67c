"""The context window: what of a config fits into it, who says so, and that every reply then works."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

from streamspace.config.types import Config
from streamspace.errors import ModelError
from streamspace.model.context import UNBOUNDED, fit, window
from streamspace.reply import build
from streamspace.reply.request import ChatRequest
from streamspace.web.page import visit
from tests.reply.test_pipeline import read
from tests.running import ROOT, changed

REPLY = {"default": 64, "min": 16, "max": 512}


def config(**changes: Any) -> Config:
    return Config.model_validate(changed({key.replace("__", "."): value for key, value in changes.items()}))


@pytest.fixture
def narrow(tmp_path: Path) -> Path:
    """The embedded model with a window of 128 tokens."""
    folder = Path(shutil.copytree(ROOT / "models/tiny", tmp_path / "model"))
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "max_position_embeddings": 128}))
    return folder


@pytest.mark.parametrize(
    ("shape", "tokenizer", "expected"),
    [
        ({"max_position_embeddings": 2048}, 512, 2048),
        ({"n_positions": 1024}, None, 1024),
        ({"max_seq_len": 4096}, None, 4096),
        ({"vision_config": {"max_position_embeddings": 64}, "text_config": {"max_position_embeddings": 8192}}, 1, 8192),
        ({"state_size": 16}, 2048, 2048),
        ({"state_size": 16}, 1e30, UNBOUNDED),
        ({"context_length": 1024}, None, UNBOUNDED),  # rwkv's is what it was trained with
    ],
)
def test_the_window_is_the_models_else_the_tokenizers_else_none(
    shape: dict[str, Any], tokenizer: float | None, expected: int
) -> None:
    assert window(shape, tokenizer) == expected


@given(st.integers(32, 10_000), st.integers(16, 20_000), st.integers(16, 20_000), st.integers(16, 20_000))
def test_what_fits_is_within_the_window_and_within_what_the_config_asks_for(
    tokens: int, prompt: int, reply: int, default: int
) -> None:
    asked = config(
        limits__prompt_tokens=prompt,
        sampling__max_new_tokens={"default": min(default, reply), "min": min(16, reply), "max": reply},
    )
    found = fit(asked, tokens)
    assert 1 <= found.prompt <= prompt
    assert 1 <= found.max <= reply
    assert found.prompt + found.max <= tokens or not found.problem
    assert bool(found.problem) is (prompt + reply > tokens)
    if found.problem:
        assert found.prompt + found.max == tokens or (found.prompt, found.max) == (prompt, tokens // 2)


def test_the_advice_is_what_to_write_and_is_then_fine() -> None:
    found = fit(config(limits__prompt_tokens=1024, sampling__max_new_tokens=REPLY), 128)
    assert found.problem == (
        "limits.prompt_tokens and sampling.max_new_tokens: expected 128 tokens at most together, the context window of "
        "'./models/tiny', got 1024 + 512"
    )
    assert found.advice == "Write prompt_tokens: 64 and max_new_tokens: {default: 64, min: 16, max: 64}"
    followed = config(limits__prompt_tokens=64, sampling__max_new_tokens={"default": 64, "min": 16, "max": 64})
    assert fit(followed, 128).problem == ""


async def test_every_reply_works_within_what_fits_and_log_and_page_say_so(
    narrow: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    asked = config(
        model__id=str(narrow), engine="generate", limits__prompt_tokens=1024, sampling__max_new_tokens=REPLY,
        system_prompt="Be brief.",
    )  # fmt: skip
    pipeline = build.here(asked)
    assert (
        "limits.prompt_tokens and sampling.max_new_tokens: expected 128 tokens at most together, the context window of "
        f"'{narrow}', got 1024 + 512. Until then, replies and prompts are as short as that. Write prompt_tokens: 64 and "
        "max_new_tokens: {default: 64, min: 16, max: 64}" in caplog.messages
    )
    long = [{"role": "user", "content": "What is ZeroGPU? " * 3}, {"role": "assistant", "content": "A GPU. " * 30}] * 3
    for new_tokens in (None, 16, 64, 512):
        *_, last = await read(
            pipeline.chat(ChatRequest("Count to two hundred", long, sampling={"max_new_tokens": new_tokens}))
        )
        assert last.end
        assert last.end.tokens == (16 if new_tokens == 16 else 64)
        assert last.dropped_messages == 6
    assert "This model takes 128 tokens: up to 64 of the conversation, and 64 of a reply" in visit.reduced(
        pipeline, "en"
    )


def test_a_system_prompt_that_leaves_no_room_is_told_instead_of_in_every_reply(narrow: Path) -> None:
    with pytest.raises(ModelError) as caught:
        build.here(config(model__id=str(narrow), engine="generate", system_prompt="Be brief. " * 100))
    assert str(caught.value) == (
        "system_prompt: expected less than 64 tokens with the chat template, to leave a message room. Shorten it, or raise limits.prompt_tokens"
    )


async def test_a_model_without_a_window_takes_what_the_config_asks_for(tmp_path: Path, tiny: Any) -> None:
    shape = CONFIG_MAPPING["mamba"](
        vocab_size=2048, hidden_size=32, num_hidden_layers=2, state_size=4, bos_token_id=0, eos_token_id=2
    )
    AutoModelForCausalLM.from_config(shape).save_pretrained(tmp_path)
    tiny.tokenizer.save_pretrained(tmp_path)
    file = tmp_path / "tokenizer_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "model_max_length": None}))
    pipeline = build.here(config(model__id=str(tmp_path), engine="generate"))
    assert pipeline.fit
    assert (pipeline.fit.window, pipeline.fit.problem) == (UNBOUNDED, "")
    assert "This model takes" not in visit.reduced(pipeline, "en")
    *_, last = await read(pipeline.chat(ChatRequest("Hello", sampling={"max_new_tokens": 16})))
    assert last.end
