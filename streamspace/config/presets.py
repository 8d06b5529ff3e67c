"""Completes the presets in config/: writes each key that a preset lacks into it, with its default and a comment.

Text is only inserted, so that comments, order and style of a file stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from streamspace.config.base import part_of
from streamspace.config.parsing import compose
from streamspace.config.ranges import Range
from streamspace.config.types import Config
from streamspace.config.writing import inline


@dataclass(frozen=True)
class Missing:
    """A key that a mapping of a file lacks: its dotted name, and the value that it comes after, if there is one."""

    key: str
    field: FieldInfo
    mapping: yaml.MappingNode
    after: yaml.Node | None


def complete(text: str) -> str:
    """The text of a preset with every key that has a default."""
    while found := next(missing(text), None):
        text = _insert(text, found)
    return text


def missing(text: str) -> Iterator[Missing]:
    """The keys that a preset lacks; nothing of a text that isn't a mapping in YAML, which reading it reports."""
    try:
        root = compose(text)
    except yaml.YAMLError:
        return
    if isinstance(root, yaml.MappingNode):
        yield from _missing(Config, root)


def _missing(model: type[BaseModel], mapping: yaml.MappingNode, above: str = "") -> Iterator[Missing]:
    values = {key.value: value for key, value in mapping.value if isinstance(key, yaml.ScalarNode)}
    after = None
    for name, field in model.model_fields.items():
        value, part = values.get(name), part_of(field)
        if value is None and not field.is_required():
            yield Missing(above + name, field, mapping, after)
        elif part and not issubclass(part, Range) and isinstance(value, yaml.MappingNode):
            yield from _missing(part, value, f"{above}{name}.")
        after = value or after


def _insert(text: str, missing: Missing) -> str:
    name, mapping, after = missing.key.split(".")[-1], missing.mapping, missing.after
    if mapping.flow_style:
        entry = f"{name}: {_value(missing.field.get_default(call_default_factory=True), flow=True)}"
        at = after.end_mark.index if after else mapping.start_mark.index + 1
        entry = f", {entry}" if after else f"{entry}{', ' if mapping.value else ''}"
        return text[:at] + entry + text[at:]
    text = text if text.endswith("\n") else text + "\n"
    first = mapping.value[0][0].start_mark
    at = _end(text, after, first.column) if after else first.index - first.column
    return text[:at] + "".join(_lines(name, missing.field, " " * first.column)) + text[at:]


def _end(text: str, value: yaml.Node, column: int) -> int:
    """Where the lines of a value end, with the comments on them and those below that are indented deeper."""
    while isinstance(value, yaml.CollectionNode) and not value.flow_style and value.value:
        last = value.value[-1]
        value = last[1] if isinstance(last, tuple) else last
    upto = text[: value.end_mark.index].rstrip()  # PyYAML counts blank lines after some values to them
    end = text.index("\n", len(upto)) + 1
    comments = re.compile(rf"(?: {{{column + 1},}}#.*\n)*").match(text, end)
    return comments.end() if comments else end


def _lines(name: str, field: FieldInfo, indent: str) -> Iterator[str]:
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel) and len(type(value).model_fields) == 1:
        ((_, described),) = type(value).model_fields.items()
        yield f"{indent}{name}: {_value(value)} # {_comment(described)}\n"
    elif isinstance(value, BaseModel) and not isinstance(value, Range):
        yield f"{indent}{name}:\n"
        for inner, described in type(value).model_fields.items():
            yield from _lines(inner, described, indent + "  ")
    else:
        comment = _comment(field)
        yield f"{indent}{name}: {_value(value)}{comment and f' # {comment}'}\n"


def _value(value: object, flow: bool = False) -> str:
    return inline(to_jsonable_python(value), flow)


def _comment(field: FieldInfo) -> str:
    """The field's description in the style of a comment; of a range, which its name explains, what its end means."""
    text = (field.description or "").removesuffix(".").replace("`", "")
    if isinstance(field.default, Range):
        text = text.partition("; ")[2]
    first = text.partition(" ")[0]
    return text[:1].lower() + text[1:] if first[1:].islower() or len(first) == 1 else text
