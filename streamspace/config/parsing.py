"""Parses YAML as data, within limits of size and depth; what the keys mean is `types`'s."""

from __future__ import annotations

import re
from typing import Any

import yaml

MOST_BYTES = 200_000  # ten times the longest system prompt; PyYAML takes a second or two for it
DEEPEST = 20  # levels of nesting, of which a config has four
LARGEST = 2**64
NODES = {yaml.SequenceNode: "a list", yaml.MappingNode: "a mapping"}


def parse(text: str) -> Any:
    """The data in a text. Raises yaml.MarkedYAMLError for everything that can't be read, with its place."""
    return _read(text, lambda loader: loader.get_single_data())


def compose(text: str) -> yaml.Node | None:
    """The nodes of a text, which know where they stand in it. Raises as `parse` does."""
    return _read(text, lambda loader: loader.get_single_node())


def _read(text: str, read: Any) -> Any:
    if len(text) > MOST_BYTES:
        raise _refusal(f"a text of {len(text):,} characters, where {MOST_BYTES:,} are the most", _mark(text, 0))
    try:
        return read(_Loader(text))
    except yaml.reader.ReaderError as error:
        raise _refusal(f"the character U+{ord(text[error.position]):04X}", _mark(text, error.position)) from None


class _Loader(yaml.SafeLoader):
    """YAML without what a config has no use for: aliases, dates, keys that aren't text or that stand twice."""

    # 2026-11-25 stays text, as << does
    yaml_implicit_resolvers = {  # noqa: RUF012  PyYAML's own attribute
        first: [(tag, form) for tag, form in known if not tag.endswith((":timestamp", ":merge"))]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise _refusal(f"the alias *{event.anchor}, where the value itself is expected", event.start_mark)
        if self._depth > DEEPEST:
            raise _refusal(f"more than {DEEPEST} levels of nesting", event.start_mark)
        self._depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():  # `!!set a` is none
            key = self.construct_object(key_node) if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(key, str):
                if isinstance(key_node, yaml.MappingNode) and node.flow_style:
                    raise _refusal("{{, a placeholder that nothing filled in", node.start_mark)
                shown = NODES.get(type(key_node)) or repr(key_node.value)
                raise _refusal(f"{shown} as a key, where text is expected", key_node.start_mark)
            if key == "<<":
                raise _refusal("the merge key <<, where the keys themselves are expected", key_node.start_mark)
            if key in seen:
                raise _refusal(f"the key {key!r} a second time", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep)  # type: ignore[no-untyped-call]
        except (ValueError, LookupError, AttributeError, OverflowError):  # what the constructors of PyYAML raise
            raise _refusal(f"a value that is no valid {node.tag.rpartition(':')[2]}", node.start_mark) from None
        if isinstance(value, int) and abs(value) > LARGEST:
            raise _refusal("a whole number of more than 64 bits", node.start_mark)
        return value


# 1e-1 is a number in YAML 1.2, and no commit looks like it.
EXPONENT = re.compile(r"[-+]?[0-9]+[eE][-+][0-9]+$")
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", EXPONENT, list("-+0123456789"))

WORDS = (  # PyYAML's, in part, and what they come from
    (r"character '\\t'", "a tab, where only spaces may indent"),
    (r"mapping values are not allowed", "a colon that begins no value: the line is indented wrongly, or its text needs "
     "quotes"),
    (r"block end.*, but found '<scalar>'", "text after the end of a value: does it need quotes?"),
    (r"expected <block end>|expected '<document start>'", "an indentation that no line above has"),
    (r"but found another document", "a second document: a config file is one, with nothing after a line ---"),
    (r"could not find expected ':'", "a line without a colon after its key"),
    (r"unexpected end of stream|while scanning a quoted scalar", "a quote that isn't closed"),
    (r"expected ',' or '[\]}]'", "a list or mapping in brackets that isn't closed, or lacks a comma"),
    (r"cannot start any token", "a character that begins no value: put quotes around it"),
)  # fmt: skip


def explained(problem: str) -> str:
    """What the parser says of a text, in the words of somebody who writes one."""
    return next((words for form, words in WORDS if re.search(form, problem)), problem)


def _refusal(problem: str, mark: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(None, None, problem, mark)


def _mark(text: str, position: int) -> yaml.Mark:
    before = text[:position]
    line, column = before.count("\n"), position - (before.rfind("\n") + 1)
    return yaml.Mark("", position, line, column, None, 0)  # type: ignore[no-untyped-call]
