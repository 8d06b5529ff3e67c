"""What a GGUF file says of itself, from the whole file or its beginning, and the names of a split one."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamspace import gguf
from tests.running import ROOT
from tests.standins import gguf_file


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return gguf_file.write(tmp_path_factory.mktemp("gguf") / "tiny.gguf").read_bytes()


def test_the_shape_is_that_of_the_models_config_also_in_the_beginning_of_the_file(content: bytes) -> None:
    config = json.loads((ROOT / "models/tiny/config.json").read_text("utf-8"))
    for excerpt in (content, content[: gguf.HEAD], content[:1024]):
        shape = gguf.shape(gguf.read(io.BytesIO(excerpt)))
        assert shape == {name: config[name] for name in shape}
        assert set(shape) >= {"num_hidden_layers", "num_key_value_heads", "hidden_size", "max_position_embeddings"}


def test_the_template_and_the_control_tokens_are_read(content: bytes) -> None:
    values = gguf.read(io.BytesIO(content))
    assert values["tokenizer.chat_template"] == (ROOT / "models/tiny/chat_template.jinja").read_text("utf-8")
    assert set(gguf.control_tokens(values)) == {
        "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>", "<think>", "</think>",
    }  # fmt: skip


def test_a_tag_or_a_space_that_the_template_does_not_write_is_no_control_token() -> None:
    values = {
        "tokenizer.ggml.tokens": ["<h1>", "\n\n", "<think>", "<|end|>", "x"],
        "tokenizer.ggml.token_type": [4, 4, 4, 3, 1],
        "tokenizer.chat_template": "{{ '<think>\n\n' }}",
    }
    assert gguf.control_tokens(values) == ["<think>", "<|end|>"]


@given(cut=st.integers(0, 60_000))
def test_a_file_that_breaks_off_is_read_as_far_as_it_goes(content: bytes, cut: int) -> None:
    if cut < 4:
        with pytest.raises(gguf.Malformed, match="it doesn't begin with GGUF"):
            gguf.read(io.BytesIO(content[:cut]))
    elif cut >= 24:
        found = gguf.read(io.BytesIO(content[:cut]))
        assert found.items() <= gguf.read(io.BytesIO(content)).items()


def test_another_version_is_told() -> None:
    with pytest.raises(gguf.Malformed, match="expected GGUF version 2 or 3, got 1"):
        gguf.read(io.BytesIO(b"GGUF\x01" + bytes(40)))


def test_a_split_model_is_named_by_its_first_file(tmp_path: Path) -> None:
    assert gguf.parts("q4/llm-00001-of-00003.gguf") == [
        "q4/llm-00001-of-00003.gguf", "q4/llm-00002-of-00003.gguf", "q4/llm-00003-of-00003.gguf",
    ]  # fmt: skip
    assert gguf.parts("llm.gguf") == ["llm.gguf"]
    assert gguf.is_first("llm-00001-of-00003.gguf")
    assert not gguf.is_first("llm-00002-of-00003.gguf")
