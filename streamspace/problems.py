"""Says in plain words what is wrong with a value that came from outside: what was expected, and what was there.

The values are checked by pydantic's schemas; where a problem is reported, and how, is the caller's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic_core import ErrorDetails

PLAIN = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping of keys",
    "model_type": "a mapping of keys",
    "model_attributes_type": "a mapping of keys",
    "missing": "a value",
    "union_tag_not_found": "a value",
    "string_too_short": "text that is not empty",
}
BOUND = {
    "greater_than": ("more than {}", "gt"),
    "greater_than_equal": ("at least {}", "ge"),
    "less_than_equal": ("at most {}", "le"),
    "string_too_long": ("at most {} characters", "max_length"),
    "too_long": ("a list of at most {}", "max_length"),
    "too_short": ("a list of at least {}", "min_length"),
    "union_tag_invalid": ("{}", "expected_tags"),
    "literal_error": ("{}", "expected"),
    "rule": ("{}", "expected"),
}


def expected(detail: ErrorDetails) -> str:
    """What a schema expected where it found something else."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in PLAIN:
        return PLAIN[kind]
    if kind in BOUND:
        form, name = BOUND[kind]
        return form.format(f"{context[name]:g}" if isinstance(context[name], float) else context[name])
    return detail["msg"]


def say(value: Any) -> str:
    """A value as its author would recognise it, at a bounded length."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping of keys"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, str):
        return f"'{value}'" if len(value) <= 60 else f"'{value[:57]}...' ({len(value)} characters)"
    return f"{value:g}" if isinstance(value, float) else repr(value)[:60]


def path(location: tuple[int | str, ...], kinds: Sequence[str] = ()) -> str:
    """As `messages[0].content`: pydantic has the kind of each entry in it as well, for lists of these names."""
    written, of_kinds = "", False
    for before, name in zip((None, *location), location, strict=False):
        if isinstance(name, int):
            written += f"[{name}]"
            of_kinds = before in kinds
        elif not (of_kinds and isinstance(before, int)):
            written += f".{name}" if written else name
    return written
