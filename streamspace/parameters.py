"""Checks the sampling that a visitor or an API client asks for against the config's bounds; Gradio does not."""

from __future__ import annotations

import math
import secrets
from typing import Any

from streamspace.config import MAX_SEED, IntRange, Range
from streamspace.config import Sampling as Bounds
from streamspace.errors import RequestError
from streamspace.events import Sampling

NAMES = ("max_new_tokens", "temperature", "top_p", "top_k", "repetition_penalty")


def choose(bounds: Bounds, asked: dict[str, Any]) -> Sampling:
    """The sampling for one reply: the config's defaults with what was asked put over them; None keeps a default.

    Without a seed, in the request or the config, a new one is drawn, so that every reply could be had again.
    Raises RequestError with every parameter that is out of bounds, NaN or not a number.
    """
    problems: list[str] = []
    values: dict[str, Any] = {}
    for name in NAMES:
        allowed: Range = getattr(bounds, name)
        try:
            values[name] = _number(name, asked.get(name), allowed)
        except ValueError as problem:
            problems.append(str(problem))
    try:
        seed = _seed(asked.get("seed"), bounds.seed)
    except ValueError as problem:
        problems.append(str(problem))
    if problems:
        raise RequestError("; ".join(problems))
    return Sampling(**values, seed=seed, stop=tuple(bounds.stop))


def _number(name: str, asked: Any, allowed: Range) -> float:
    if asked is None:
        return allowed.default
    whole = isinstance(allowed, IntRange)
    expected = f"expected a {'whole ' if whole else ''}number from {allowed.min:g} to {allowed.max:g}"
    if isinstance(asked, bool) or not isinstance(asked, int | float):
        raise ValueError(f"{name}: {expected}, got {str(asked)[:40]!r}")
    if not math.isfinite(asked) or not allowed.min <= asked <= allowed.max or (whole and asked != int(asked)):
        raise ValueError(f"{name}: {expected}, got {asked:g}")
    return int(asked) if whole else float(asked)


def _seed(asked: Any, configured: int | None) -> int:
    if asked is None or asked == "":
        return secrets.randbelow(MAX_SEED) if configured is None else configured
    number = not isinstance(asked, bool) and isinstance(asked, int | float) and math.isfinite(asked)
    if not number or asked != int(asked) or not 0 <= asked <= MAX_SEED:
        raise ValueError(f"seed: expected a whole number from 0 to {MAX_SEED}, or none, got {str(asked)[:40]!r}")
    return int(asked)
