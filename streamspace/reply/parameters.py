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


def _number(name: str, asked: object, allowed: Range) -> float:
    if asked is None:
        return allowed.default
    number, whole = _as_number(asked), isinstance(allowed, IntRange)
    if number is None or not allowed.min <= number <= allowed.max or (whole and number != int(number)):
        found = repr(str(asked)[:40]) if number is None or HUGE < abs(number) < math.inf else f"{number:g}"
        key = "error.whole_number" if whole else "error.number"
        raise ValueError(t(key, name=name, min=f"{allowed.min:g}", max=f"{allowed.max:g}", found=found))
    return int(number) if whole else float(number)


def _seed(asked: object, configured: int | None) -> int:
    if asked is None or asked == "":
        return secrets.randbelow(MAX_SEED) if configured is None else configured
    number = _as_number(asked)
    if number is None or not 0 <= number <= MAX_SEED or number != int(number):
        raise ValueError(t("error.seed", max=MAX_SEED, found=repr(str(asked)[:40])))
    return int(number)


def _as_number(asked: object) -> float | None:
    return asked if isinstance(asked, int | float) and not isinstance(asked, bool) else None
