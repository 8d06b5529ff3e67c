"""Reads the calls of functions in what a model has written: as JSON, or as transformers knows its family's form.

Chat templates have shown models one form or another; `prompt.calling` tries which is read.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any

from streamspace.engines.forms import MARK, Form
from streamspace.tools import Call, Tools

log = logging.getLogger(__name__)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


JSON = json.JSONDecoder(parse_constant=_refuse)
ADDRESS = "to="  # gpt-oss may address a function before it names a channel
BETWEEN = re.compile(r"[\s,;]*")
NAMES = ("name", "tool_name")  # Cohere's templates have the second
ARGUMENTS = ("arguments", "parameters")  # Llama's and Cohere's templates have the second


def read(text: str, tools: Tools, form: Form) -> tuple[Call, ...]:
    """The calls of a reply's part that is marked as such; none where it isn't in a form that is known."""
    return listed(text) or _named(text, tools) or _of_a_family(text, tools, form)


def listed(text: str) -> tuple[Call, ...]:
    """The calls in a text that is JSON from one end to the other: one, a list of them, or one after the other."""
    found: list[Call | None] = []
    end = BETWEEN.match(text).end()  # type: ignore[union-attr]  # it matches anything
    while end < len(text):
        try:
            value, end = JSON.raw_decode(text, end)
        except (ValueError, RecursionError):
            return ()
        found += [_call(each) for each in (value if isinstance(value, list) else [value])]
        end = BETWEEN.match(text, end).end()  # type: ignore[union-attr]
    return () if None in found else tuple(each for each in found if each)


def read_answer(text: str, tools: Tools) -> tuple[Call, ...]:
    """The calls that an answer consists of, which no tag marks: it names functions there are, and nothing else."""
    found = _named(text, tools) if text.lstrip().startswith(ADDRESS) else listed(text)
    return found if all(each.name in tools.names for each in found) else ()


def may_be(answer: str) -> bool:
    """Whether an answer that begins so may turn out to be a call."""
    begun = answer.lstrip()
    return any(begun.startswith(each) or each.startswith(begun) for each in ("{", "[", ADDRESS))


def _call(value: Any) -> Call | None:
    inner = value.get("function", value) if isinstance(value, Mapping) else None
    if not isinstance(inner, Mapping):
        return None
    name = next((inner[key] for key in NAMES if key in inner), None)
    arguments = next((inner[key] for key in ARGUMENTS if key in inner), None)
    if isinstance(arguments, str):  # JSON in JSON
        try:
            arguments = JSON.decode(arguments)
        except (ValueError, RecursionError):
            return None
    if not isinstance(name, str) or not isinstance(arguments, dict):
        return None
    return Call(name, json.dumps(arguments, ensure_ascii=False))


def _named(text: str, tools: Tools) -> tuple[Call, ...]:
    """The calls in a text that has each function's name, and its arguments as JSON behind it.

    So do Mistral's and gpt-oss's models, and Kimi's and DeepSeek's, whose special tokens between aren't in the text.
    """
    names = "|".join(re.escape(name) for name in sorted(tools.names, key=len, reverse=True))
    named = re.compile(rf"({names})(?::\d+)?(?:commentary|```|json|\s)*(?={{)")
    return tuple(_with_arguments(text, named))


def _with_arguments(text: str, named: re.Pattern[str]) -> Iterator[Call]:
    end = 0
    while found := named.search(text, end):
        try:
            arguments, end = JSON.raw_decode(text, found.end())
        except (ValueError, RecursionError):
            return
        yield Call(found[1], json.dumps(arguments, ensure_ascii=False))


def _of_a_family(text: str, tools: Tools, form: Form) -> tuple[Call, ...]:
    """The calls in a form that transformers has a description of, for models whose tokenizers bring none."""
    from transformers.cli.serving.utils import _RESPONSE_TEMPLATE_FALLBACKS as DESCRIBED
    from transformers.utils.chat_parsing import ResponseParser

    row = next((row for row in form.tags if row.kind == "tool_call"), None)
    opening, closing = (tag.replace(MARK, "") for tag in row[1:]) if row else ("", "")
    for template in DESCRIBED.values():
        parser = ResponseParser(template, prefix="", tools=[*tools.listed])
        try:
            parser.feed(opening + text + closing)
            told = parser.finalize()[0].get("tool_calls")
        except Exception as error:  # the text is in another form
            log.debug("No call of this form: %s", type(error).__name__)
            continue
        calls = [_call(each) for each in told or ()]
        if calls and None not in calls:
            return tuple(each for each in calls if each)
    return ()
