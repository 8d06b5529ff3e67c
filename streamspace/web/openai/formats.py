"""The form that a client wants a reply in, `response_format`, read into a JSON schema; "" is any text.

Whether that schema can be followed is for whoever writes the reply to say.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from streamspace.problems import say
from streamspace.sampling import ANY_OBJECT
from streamspace.web.openai.errors import Refused

NAME = "response_format"
MOST = 32_768  # characters of a schema, as JSON
DEPTH = 32  # mappings and lists in one another


def read(value: object) -> str:
    """The schema as JSON. Raises Refused."""
    if value is None:
        return ""
    if not isinstance(value, dict):
        raise _wrong("", "a mapping of keys", say(value))
    match value.get("type"):
        case "text":
            return ""
        case "json_object":
            return ANY_OBJECT
        case "json_schema":
            return _schema(value.get("json_schema"))
        case other:
            raise _wrong(".type", "'text', 'json_object' or 'json_schema'", say(other))


def _schema(described: object) -> str:
    if not isinstance(described, dict):
        raise _wrong(".json_schema", "a mapping with the key schema", say(described))
    schema, where = described.get("schema"), ".json_schema.schema"
    if not isinstance(schema, dict):
        raise _wrong(where, "a JSON schema", say(schema))
    for problem in problems(schema):
        raise _wrong(where, *problem)
    text = json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
    if len(text) > MOST:
        raise _wrong(where, f"at most {MOST} characters", str(len(text)))
    return text


def problems(schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong with a schema before anything reads it: what was expected, and what is there."""
    for depth, each in _nested(schema):
        if depth > DEPTH:
            yield f"at most {DEPTH} levels", "more"
        reference = each.get("$ref") if isinstance(each, dict) else None
        if isinstance(reference, str) and not reference.startswith("#"):  # nobody's server is asked to fetch one
            yield "each $ref to begin with '#'", say(reference)


def _nested(value: Any) -> Iterator[tuple[int, Any]]:
    """The mapping and each mapping or list in it, with how deep it lies."""
    left = [(1, value)]
    while left:
        depth, each = left.pop()
        yield depth, each
        inner = each.values() if isinstance(each, dict) else each
        left += [(depth + 1, item) for item in inner if isinstance(item, dict | list)]


def _wrong(where: str, expected: str, found: str) -> Refused:
    return Refused(f"{NAME}{where}: expected {expected}, got {found}", NAME)
