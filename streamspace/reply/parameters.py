"""Checks the sampling that a visitor or an API client asks for against the config's bounds; Gradio does not."""

from __future__ import annotations

import math
import secrets
from functools import reduce
from typing import Any

from streamspace.config.ranges import MAX_SEED, IntRange, Range, SamplingLimits
from streamspace.errors import RequestError
from streamspace.i18n import LazyText, t
from streamspace.reply.request import Values
from streamspace.sampling import PARAMETERS, SamplingParams

HUGE = 10**300  # whole numbers have no largest, and those that no float holds can't be written with :g


def choose(bounds: SamplingLimits, asked: Values) -> SamplingParams:
    """The sampling for one reply: the config's defaults with what was asked put over them; None keeps a default.

    Without a seed, in the request or the config, a new one is drawn, so that every reply could be had again.
    Raises RequestError with every parameter that is out of bounds, NaN or not a number.
    """
    problems: list[LazyText] = []
    values: dict[str, Any] = {}
    for parameter in PARAMETERS:
        name, allowed = parameter.name, getattr(bounds, parameter.name)
        try:
            values[name] = number(name, asked.get(name), allowed)
        except ValueError as problem:
            problems.append(problem.args[0])
    try:
        drawn = seed(asked.get("seed"), bounds.seed)
    except ValueError as problem:
        problems.append(problem.args[0])
    if problems:
        raise RequestError(reduce(lambda first, next: t("error.several", first=first, next=next), problems))
    return SamplingParams(**values, seed=drawn, stop=tuple(bounds.stop))


def number(name: str, asked: object, allowed: Range) -> float:
    """A parameter's value: what was asked, or the default for None. Raises ValueError with the text for the client."""
    if asked is None:
        return allowed.default
    value, whole = _as_number(asked), isinstance(allowed, IntRange)
    if value is None or not allowed.min <= value <= allowed.max or (whole and value != int(value)):
        found = repr(str(asked)[:40]) if value is None or HUGE < abs(value) < math.inf else f"{value:g}"
        key = "error.whole_number" if whole else "error.number"
        raise ValueError(t(key, name=name, min=f"{allowed.min:g}", max=f"{allowed.max:g}", found=found))
    return int(value) if whole else float(value)


def seed(asked: object, configured: int | None) -> int:
    """The seed: what was asked, or the config's, or one that is drawn. Raises ValueError as `number` does."""
    if asked is None or asked == "":
        return secrets.randbelow(MAX_SEED) if configured is None else configured
    value = _as_number(asked)
    if value is None or not 0 <= value <= MAX_SEED or value != int(value):
        raise ValueError(t("error.seed", max=MAX_SEED, found=repr(str(asked)[:40])))
    return int(value)


def _as_number(asked: object) -> float | None:
    return asked if isinstance(asked, int | float) and not isinstance(asked, bool) else None
