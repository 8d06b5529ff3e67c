"""Sets values in the text of a config file, so that comments, order and style stay; `presets` adds what is missing."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import yaml
from pydantic_core import to_jsonable_python

from streamspace.config.parsing import compose
from streamspace.config.writing import inline

WIDTH = 120


def edited(text: str, values: Mapping[str, Any], comments: Mapping[str, str] | None = None) -> str:
    """The text with other values, and comments, by dotted key. Raises KeyError for a key that isn't there."""
    said = comments or {}
    found = nodes(compose(text))
    for key in sorted({*values, *said}, key=lambda name: found[name].start_mark.index, reverse=True):
        node = found[key]
        start, end = node.start_mark.index, _end(text, node)
        within = found.get(key.rpartition(".")[0])
        flow = isinstance(within, yaml.CollectionNode) and bool(within.flow_style)
        new = _written(values[key], node, flow) if key in values else text[start:end]
        line = text.index("\n", end)
        rest = f" # {said[key]}" if key in said and "\n" not in new else text[end:line]
        text = text[:start] + new + rest + text[line:]
    return text


def nodes(node: yaml.Node | None, above: str = "") -> dict[str, yaml.Node]:
    """The nodes of the values by their dotted keys."""
    found: dict[str, yaml.Node] = {}
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        found[f"{above}{key.value}"] = value
        found |= nodes(value, f"{above}{key.value}.")
    return found


def _end(text: str, node: yaml.Node) -> int:
    """Where a value ends: after a block, PyYAML's own mark is at the next key."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        return _end(text, node.value[-1])
    return node.start_mark.index + len(text[node.start_mark.index : node.end_mark.index].rstrip(" \n"))


def _written(value: Any, node: yaml.Node, flow: bool) -> str:
    """A value in the style of the one whose place it takes: a folded text, a list in lines, or all on one line."""
    indent = " " * (node.start_mark.column if isinstance(node, yaml.CollectionNode) else 4)
    if isinstance(node, yaml.ScalarNode) and node.style == ">" and isinstance(value, str) and value:
        lines = textwrap.wrap(value, WIDTH - len(indent), break_long_words=False, break_on_hyphens=False)
        return ">-\n" + "\n".join(indent + line for line in lines)
    if isinstance(node, yaml.SequenceNode) and not node.flow_style and value:
        return f"\n{indent}".join(f"- {inline(to_jsonable_python(each), flow)}" for each in value)
    return inline(to_jsonable_python(value), flow)
