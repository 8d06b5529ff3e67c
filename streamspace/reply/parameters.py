"""Checks the sampling that a visitor or an API client asks for against the config's bounds; Gradio does not."""

from __future__ import annotations

import math
import secrets
from functools import reduce
from typing import Any

from streamspace.config.types import MAX_SEED, IntRange, Range, SamplingLimits
from streamspace.errors import RequestError
from streamspace.events import SamplingParams
from streamspace.i18n import LazyText, t

NAMES = ("max_new_tokens", "temperature", "top_p", "top_k", "repetition_penalty")
HUGE = 10**300  # whole numbers have no largest, and those that no float holds can't be written with :g


def choose(bounds: SamplingLimits, asked: dict[str, Any]) -> SamplingParams:
    """The sampling for one reply: the config's defaults with what was asked put over them; None keeps a default.

    Without a seed, in the request or the config, a new one is drawn, so that every reply could be had again.
    Raises RequestError with every parameter that is out of bounds, NaN or not a number.
    """
    problems: list[LazyText] = []
    values: dict[str, Any] = {}
    for name in NAMES:
        allowed: Range = getattr(bounds, name)
        try:
            values[name] = _number(name, asked.get(name), allowed)
        except ValueError as problem:
            problems.append(problem.args[0])
    try:
        seed = _seed(asked.get("seed"), bounds.seed)
    except ValueError as problem:
        problems.append(problem.args[0])
    if problems:
        raise RequestError(reduce(lambda first, next: t("error.several", first=first, next=next), problems))
    return SamplingParams(**values, seed=seed, stop=tuple(bounds.stop))


def _number(name: str, asked: Any, allowed: Range) -> float:
    if asked is None:
        return allowed.default
    whole = isinstance(allowed, IntRange)
    number = not isinstance(asked, bool) and isinstance(asked, int | float)
    within = number and allowed.min <= asked <= allowed.max
    if not within or (whole and asked != int(asked)):
        short = number and not HUGE < abs(asked) < math.inf
        found = f"{asked:g}" if short else repr(str(asked)[:40])
        key = "error.whole_number" if whole else "error.number"
        raise ValueError(t(key, name=name, min=f"{allowed.min:g}", max=f"{allowed.max:g}", found=found))
    return int(asked) if whole else float(asked)


def _seed(asked: Any, configured: int | None) -> int:
    if asked is None or asked == "":
        return secrets.randbelow(MAX_SEED) if configured is None else configured
    number = not isinstance(asked, bool) and isinstance(asked, int | float)
    if not number or not 0 <= asked <= MAX_SEED or asked != int(asked):
        raise ValueError(t("error.seed", max=MAX_SEED, found=repr(str(asked)[:40])))
    return int(asked)
