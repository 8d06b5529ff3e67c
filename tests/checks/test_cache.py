"""The key/value cache is computed layer by layer, also where config.json leaves it to the defaults of its type."""

from __future__ import annotations

from typing import Any

import pytest

from streamspace.checks.cache import cache_bytes
from streamspace.model.defaults import completed
from tests.hub.test_card import config

PLAIN = {"num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 64}
TOKENS = 4096 + 1024  # of the config below
EACH = 2 * 2 * 64 * 2  # bytes of a token in one layer, in bfloat16


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({}, 4 * TOKENS),
        ({"layer_types": ["full_attention", "sliding_attention"] * 2, "sliding_window": 512}, 2 * TOKENS + 2 * 512),
        ({"layer_types": ["chunked_attention"] * 4, "attention_chunk_size": 10**6}, 4 * TOKENS),
        ({"layer_types": ["mamba", "linear_attention", "conv", "attention"]}, TOKENS),
        ({"max_position_embeddings": 1000}, 4 * 1000),
    ],
)
def test_a_layer_keeps_what_it_attends_to(changes: dict[str, Any], kept: int) -> None:
    chosen = config(
        model__dtype="bfloat16",
        limits__prompt_tokens=4096,
        sampling__max_new_tokens={"default": 16, "min": 16, "max": 1024},
    )
    assert cache_bytes({**PLAIN, **changes}, chosen, "zero-a10g") == kept * EACH


def test_shared_and_compressed_heads_are_counted_as_they_are_kept() -> None:
    chosen = config(
        model__dtype="bfloat16",
        limits__prompt_tokens=4096,
        sampling__max_new_tokens={"default": 16, "min": 16, "max": 1024},
    )
    shared = {"num_hidden_layers": 4, "num_attention_heads": 8, "hidden_size": 512, "multi_query": True}
    assert cache_bytes(shared, chosen, "zero-a10g") == 4 * TOKENS * 2 * 64 * 2
    assert cache_bytes({**shared, "new_decoder_architecture": True}, chosen, "zero-a10g") == 4 * TOKENS * 2 * 512 * 2
    compressed = {**PLAIN, "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128}
    assert cache_bytes(compressed, chosen, "zero-a10g") == 4 * TOKENS * 8 * (128 + 64 + 128) * 2


def test_a_short_config_json_is_completed_by_its_type_and_a_whole_one_is_left_alone() -> None:
    short = {
        "model_type": "gemma3",
        "text_config": {"model_type": "gemma3_text", "hidden_size": 2560, "num_hidden_layers": 34},
    }
    found = completed({**short, "text_config": {**short["text_config"], "sliding_window": 1024}})  # type: ignore[dict-item]
    assert (found["num_attention_heads"], found["head_dim"], found["max_position_embeddings"]) == (8, 256, 131072)
    assert found["layer_types"].count("full_attention") == 5
    assert completed({"model_type": "no-such", "hidden_size": 8}) == {"model_type": "no-such", "hidden_size": 8}
    whole = {"num_hidden_layers": 4, "num_attention_heads": 8, "max_position_embeddings": 9}
    assert completed(whole) is whole
    unused = {**whole, "sliding_window": 4096, "use_sliding_window": False}
    assert completed(unused) is unused
