"""Writes values as YAML that readers of version 1.1 and of 1.2 read alike; `parsing` reads it."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

# What YAML 1.2 takes for something else than text, beyond what PyYAML, which is of 1.1, quotes by itself.
ELSE = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|0o[0-7]+|0x[0-9a-fA-F]+|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)


class Quoted(str):
    """Text that is quoted in any case, as a version is: 3.10 without quotes is the number 3.1."""


class Dumper(yaml.SafeDumper):
    """PyYAML's, with lists indented, and quotes where a version of YAML needs them."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: Any, text: str) -> Any:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, '"' if _needs_quotes(text) else None)


def _needs_quotes(text: str) -> bool:
    return isinstance(text, Quoted) or bool(ELSE.fullmatch(text))


Dumper.add_representer(str, _text)
Dumper.add_representer(Quoted, _text)


def block(data: Any) -> str:
    """A document in lines."""
    text: str = yaml.dump(data, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=1000)
    return text


def inline(data: Any, flow: bool = True) -> str:
    """A value on one line, as the presets write it; `flow`: within brackets, where a comma ends it."""
    how: Any = {"sort_keys": False, "allow_unicode": True, "width": 10_000}
    if flow or not isinstance(data, str):
        dumped: str = yaml.dump([data], Dumper=Dumper, default_flow_style=True, **how).strip("\n")[1:-1]
    else:
        dumped = yaml.dump({"a": data}, Dumper=Dumper, **how)[3:].strip("\n")
    quoted = isinstance(data, str) and (dumped.startswith("'") or "\n" in dumped)
    return json.dumps(data, ensure_ascii=False) if quoted else dumped
