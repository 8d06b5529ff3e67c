"""What the tool takes, as a JSON schema by the config, which agents read; `pipeline` checks what they send."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from streamspace.config.ranges import MAX_SEED, Range
from streamspace.config.types import Config
from streamspace.sampling import PARAMETERS, Parameter

Schema = dict[str, Any]
TURN: Schema = {
    "type": "object",
    "properties": {"role": {"type": "string", "enum": ["user", "assistant"]}, "content": {"type": "string"}},
    "required": ["role", "content"],
}


def arguments(config: Config, levels: Sequence[str]) -> Schema:
    """The arguments, of which the first is required; `levels` are those of thinking that the model may have."""
    sampling = {each.name: _number(each, getattr(config.sampling, each.name)) for each in PARAMETERS}
    told = "The same seed gives the same answer."
    seed = {"type": "integer", "minimum": 0, "maximum": MAX_SEED, "description": told}
    first = _completion(config) if config.task == "completion" else _conversation(config, levels)
    return {
        "type": "object",
        "properties": {**first, **sampling, "seed": seed},
        "required": [next(iter(first))],
        "additionalProperties": False,
    }


def _completion(config: Config) -> dict[str, Schema]:
    return {"prompt": _text(config, "The text to continue.") | {"minLength": 1}}


def _conversation(config: Config, levels: Sequence[str]) -> dict[str, Schema]:
    read = f"The conversation before it, oldest first; the last {config.limits.turns} messages are read."
    thinks = "Whether, or how hard, the model thinks before it answers, where it has a choice."
    return {
        "message": _text(config, "What the model is to reply to.") | {"minLength": 1},
        "history": {"type": "array", "items": TURN, "description": read},
        "system_prompt": _text(config, "Instructions to the model, in place of this Space's own."),
        "thinking": {"type": "string", "enum": list(levels), "description": thinks},
    }


def _text(config: Config, description: str) -> Schema:
    return {"type": "string", "maxLength": config.limits.prompt_characters, "description": description}


def _number(parameter: Parameter, bounds: Range) -> Schema:
    return {
        "type": "integer" if parameter.is_int else "number",
        "minimum": bounds.min,
        "maximum": bounds.max,
        "default": bounds.default,
        "description": parameter.description,
    }
