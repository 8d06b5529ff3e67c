"""The sampling parameters, each declared once: config, page, API, engines and documentation follow from here."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

ANY_OBJECT = '{"type":"object"}'  # the `grammar` of an answer that is to be any JSON object


@dataclass(frozen=True)
class Parameter:
    """One sampling parameter: its meaning, its bounds, and how engines take it."""

    description: str
    default: float  # this and the visitor's range, `min` to `max`, are what a config has unless it sets others
    min: float
    max: float
    low: float  # `low` to `high`: what makes sense for any model, and so the widest range that a config may set
    high: float
    neutral: float | None = None  # the value that has no effect: engines are given it only if `always`
    always: bool = False  # because an engine's own default isn't neutral
    greedy: bool = False  # it applies to greedy decoding as well
    endpoint: str | None = None  # its name in OpenAI's API; without one it is sent as an extra, unless neutral
    appended: bool = False  # it comes last in the API, because clients that send values by position don't know it
    name: str = ""  # the field's
    is_int: bool = False


def _declared(**declaration: Any) -> Any:
    parameter = Parameter(**declaration)
    if parameter.neutral is None:
        return field(metadata={"parameter": parameter})
    return field(default=type(parameter.default)(parameter.neutral), metadata={"parameter": parameter})


@dataclass(frozen=True, kw_only=True)
class SamplingParams:
    """How the tokens of one reply are sampled; a parameter that isn't given is neutral."""

    max_new_tokens: int = _declared(
        description="Maximum reply length, in tokens.",
        default=512, min=16, max=1024, low=1, high=100_000, greedy=True, endpoint="max_tokens",
    )  # fmt: skip
    temperature: float = _declared(
        description="Sampling temperature; 0 is greedy decoding.",
        default=0.7, min=0.0, max=1.5, low=0, high=5, endpoint="temperature",
    )  # fmt: skip
    top_p: float = _declared(
        description="Sample from the most likely tokens with this total probability; 1: all tokens.",
        default=0.95, min=0.05, max=1.0, low=0.01, high=1, neutral=1, endpoint="top_p",
    )  # fmt: skip
    top_k: int = _declared(
        description="Sample from this number of most likely tokens; 0: all tokens.",
        default=50, min=0, max=200, low=0, high=100_000, neutral=0, always=True,  # transformers' own default is 50
    )  # fmt: skip
    min_p: float = _declared(
        description="Sample from the tokens with at least this share of the most likely one's probability; "
        "0: all tokens.",
        default=0.0, min=0.0, max=1.0, low=0, high=1, neutral=0, appended=True,
    )  # fmt: skip
    repetition_penalty: float = _declared(
        description="Values above 1 make tokens that occurred before less likely.",
        default=1.0, min=1.0, max=1.5, low=0.5, high=5, neutral=1, greedy=True,
    )  # fmt: skip
    seed: int
    stop: tuple[str, ...] = ()
    grammar: str = ""
    """A JSON schema, as JSON, that the answer must follow; "" is any text."""
    likeliest: int | None = None
    """How many of the likeliest tokens are told in the place of each; None doesn't tell how likely any was."""

    @property
    def is_greedy(self) -> bool:
        """Whether the most likely token is taken each time, and none is sampled."""
        return self.temperature == 0


PARAMETERS: tuple[Parameter, ...] = tuple(
    dataclasses.replace(each.metadata["parameter"], name=each.name, is_int=each.type == "int")
    for each in dataclasses.fields(SamplingParams)
    if each.metadata
)
