"""Reads the sampling that a model's makers recommend, from its generation_config.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streamspace.sampling import PARAMETERS, Parameter

FILE = "generation_config.json"


def sampling(generation: Mapping[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """The ranges of a config's `sampling`, and the names of those whose default is the makers'."""
    ranges = {}
    said = set()
    for each in PARAMETERS:
        value = _value(each, generation)
        if value is not None:
            said.add(each.name)
        default = each.default if value is None else value
        low, high = min(each.min, default), max(each.max, default)
        kind = int if each.is_int else float
        ranges[each.name] = {"default": kind(default), "min": kind(low), "max": kind(high)}
    return ranges, said


def _value(parameter: Parameter, generation: Mapping[str, Any]) -> float | None:
    """What the makers say, if it is a number that a config may hold."""
    if parameter.name == "max_new_tokens":  # the template's own limit, not a recommendation
        return None
    if parameter.name == "temperature" and generation.get("do_sample") is False:
        return 0.0
    value = generation.get(parameter.name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not parameter.low <= value <= parameter.high:
        return None
    rounded = round(float(value), 3)  # Qwen2-VL's 1e-06 is greedy decoding
    return max(rounded, parameter.low)
