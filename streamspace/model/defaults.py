"""Completes a model's config.json by the defaults of its type, as transformers does; what follows is others'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NEEDED = ("num_hidden_layers", "num_attention_heads", "max_position_embeddings")
KINDS = ("sliding_window", "full_attention_interval", "sliding_window_pattern")  # keys that `layer_types` follows from


def completed(shape: Mapping[str, Any]) -> Mapping[str, Any]:
    """The text part of a config.json, with what it leaves out of the keys by which memory and context are computed.

    transformers is imported only where something is missing.
    """
    text = shape.get("text_config") or shape
    whole = text.get("layer_types") or text.get("use_sliding_window") is False or not any(map(text.get, KINDS))
    if whole and all(text.get(name) for name in NEEDED):
        return text
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    try:
        made = CONFIG_MAPPING[shape["model_type"]](**shape).get_text_config().to_dict()
    except Exception:  # an unknown type, or values that its class refuses: loading explains it
        return text
    return {**made, **{name: value for name, value in text.items() if value is not None}}
