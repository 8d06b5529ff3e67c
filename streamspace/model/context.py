"""How many tokens a model can take, and what of a config's limits fits into that; `check` asks too, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streamspace.config.types import Config

UNBOUNDED = 10**9  # tokens; state-space and recurrent models have no window, and tokenizers say more than this for none
WINDOWS = (
    "max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length", "n_ctx", "seq_length",
    "max_target_positions",
)  # fmt: skip


@dataclass(frozen=True)
class Fit:
    """What a config asks for that fits the model, in tokens: of the prompt, and of the reply.

    Where that is less than the config asks for, `problem` says so, and `advice` what to write.
    """

    window: int
    prompt: int
    max: int
    problem: str = ""
    advice: str = ""


def window(shape: Mapping[str, Any], tokenizer_limit: float | None) -> int:
    """The most tokens of prompt and reply together, by a model's config as a mapping, else by its tokenizer."""
    text = shape.get("text_config") or shape
    found = next((text[name] for name in WINDOWS if isinstance(text.get(name), int)), tokenizer_limit)
    return int(min(found or UNBOUNDED, UNBOUNDED))


def fit(config: Config, window: int) -> Fit:
    """The config's limits, reduced to a window: replies of at most half of it, and prompts of the rest."""
    reply, asked = config.sampling.max_new_tokens, config.limits.prompt_tokens
    if asked + reply.max <= window:
        return Fit(window, asked, reply.max)
    most = min(reply.max, window // 2)
    prompt, default, least = min(asked, window - most), min(reply.default, most), min(reply.min, most)
    return Fit(
        window, prompt, most,
        f"limits.prompt_tokens and sampling.max_new_tokens: expected {window} tokens at most together, the context "
        f"window of {config.model.id!r}, got {asked} + {reply.max}",
        f"Write prompt_tokens: {prompt} and max_new_tokens: {{default: {default}, min: {least}, max: {most}}}",
    )  # fmt: skip
