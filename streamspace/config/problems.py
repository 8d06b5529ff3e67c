"""Says what is wrong with the values of a config, in the words of its author; `parsing` says it of the YAML."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from streamspace.config import secrets
from streamspace.config.base import part_of
from streamspace.config.types import Config
from streamspace.problems import expected, say


def of(error: ValidationError, written: Mapping[str, str]) -> Iterator[str]:
    """One `dotted.key: expected X, got Y` for each thing found; `written` has the values as the file has them."""
    listed: set[str] = set()
    for detail in error.errors():
        *parents, last = detail["loc"] or ("",)
        key = ".".join(str(part) for part in (*detail["loc"], *_rule_key(detail)))
        if detail["type"] == "extra_forbidden":
            known = _keys_at(parents)
            hint = near(str(last), known)
            if not hint and str(parents) not in listed:  # the known ones are listed once
                hint = f"; known here: {', '.join(known)}"
                listed.add(str(parents))
            yield f"{key}: expected a known key, got {say(str(last))}{hint}"
        elif detail["type"] == "missing":
            yield f"{key}: expected this required key ({_meaning(detail['loc'])}), got nothing"
        else:
            got = detail["ctx"]["got"] if detail["type"] == "rule" else detail["input"]
            yield f"{key}: expected {expected(detail)}, got {_say_below(key, got)}{_meant(detail, written.get(key))}"


def _meant(detail: ErrorDetails, written: str | None) -> str:
    """The next step for a value that YAML reads as another than its writer meant."""
    got = detail["input"]
    if detail["type"] == "string_type" and isinstance(got, bool | int | float) and written:
        read = "" if written == say(got) else f", as YAML reads {written}"
        return f"{read}. Put quotes around it"
    if detail["type"] in ("float_type", "int_type") and isinstance(got, str) and re.fullmatch(r"[-+]?\d+,\d+", got):
        return f". Write it with a point: {got.replace(',', '.')}"
    return ""


def _rule_key(detail: ErrorDetails) -> tuple[str, ...]:
    """The key below the location that a rule of ours is about, if there is one."""
    return (detail["ctx"]["key"],) if detail["type"] == "rule" and detail["ctx"]["key"] else ()


def _say_below(key: str, value: Any) -> str:
    """A value for a message, unless it may be a key, given in a wrong place."""
    if key.startswith(("endpoint", "access")) and isinstance(value, str) and not secrets.ours(value):
        return "something that isn't repeated here, since it may hold a key"
    return say(value)


def _meaning(location: tuple[int | str, ...]) -> str:
    """The first clause of a key's description."""
    parent = _model_at(location[:-1])
    info = parent.model_fields.get(str(location[-1])) if parent else None
    described = (info.description if info else None) or "a value"
    return described.split(";")[0].rstrip(".")


def _keys_at(location: list[int | str]) -> list[str]:
    found = _model_at(tuple(location))
    return list(found.model_fields) if found else []


def _model_at(location: tuple[int | str, ...]) -> type[BaseModel] | None:
    found: type[BaseModel] | None = Config
    for part in location:
        info = found.model_fields.get(str(part)) if found else None
        found = part_of(info) if info else None
    return found


def near(word: str, known: list[str]) -> str:
    """The known name that a word was probably meant for, as the end of a sentence."""
    matches = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {matches[0]!r}?" if matches else ""
