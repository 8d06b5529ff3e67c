"""Computes the bytes of a model's key/value cache by its config.json; `weights` computes those of its weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from streamspace.checks.platform import ZEROGPU
from streamspace.checks.weights import BYTES, loaded_dtype
from streamspace.config.types import Config

WHOLE = ("full_attention", "attention")  # kinds of layers that keep every token
WINDOWED = {"sliding_attention": "sliding_window", "chunked_attention": "attention_chunk_size"}


def cache_bytes(shape: Mapping[str, Any], config: Config, hardware: str) -> int:
    """Bytes of cache for all concurrent replies at their longest; `shape` is the text part of config.json."""
    at_once = 1 if hardware == ZEROGPU else config.limits.places  # each ZeroGPU reply has a GPU share of its own
    dtype = "float16" if config.model.gguf else loaded_dtype(config, hardware)  # llama.cpp's own choice
    return reply_bytes(shape, config, BYTES[dtype]) * at_once


def reply_bytes(shape: Mapping[str, Any], config: Config, number: float) -> int:
    """Bytes of cache for one reply at its longest, of which each number takes so many."""
    tokens = config.limits.prompt_tokens + int(config.sampling.max_new_tokens.max)
    tokens = min(tokens, shape.get("max_position_embeddings") or tokens)
    kept = sum(min(window or tokens, tokens) for window in _windows(shape))
    return int(kept * _numbers(shape) * number)


def _windows(shape: Mapping[str, Any]) -> Iterator[int]:
    """For each layer with a cache the most tokens that it keeps, 0 for all; recurrent layers keep next to nothing."""
    for kind in shape.get("layer_types") or ["attention"] * (shape.get("num_hidden_layers") or 0):
        if kind in WHOLE or kind in WINDOWED:
            yield shape.get(WINDOWED.get(kind, "")) or 0


def _numbers(shape: Mapping[str, Any]) -> int:
    """How many numbers a layer keeps of a token: its keys and its values."""
    heads = shape.get("num_attention_heads") or 0
    if not heads:
        return 0
    if shape.get("kv_lora_rank"):  # DeepSeek's compressed attention, which transformers keeps uncompressed
        keys = (shape.get("qk_nope_head_dim") or 0) + (shape.get("qk_rope_head_dim") or 0)
        return int(heads * (keys + (shape.get("v_head_dim") or 0)))
    head = shape.get("head_dim") or (shape.get("hidden_size") or 0) // heads
    shared = 1 if shape.get("multi_query") and not shape.get("new_decoder_architecture") else heads  # Falcon
    return int(2 * (shape.get("num_key_value_heads") or shared) * head)
