"""Escapes text that a model or a visitor wrote, so that Markdown shows all of it and takes nothing in it for a tag.

`a<b and c>d` would lose its middle, and tags would let a reply draw over the page. An invisible character after the
angle bracket keeps the parser from reading a tag. Code is left alone, and so are a few tags that models write in tables
and formulas. The chatbot's value is escaped, prompts and copies are not. markup.js follows the same rules in the
browser, where a property-based test compares the two; what is code is decided as by marked, Gradio's parser.
"""

from __future__ import annotations

import re
from typing import Any

MARK = "\u2060"  # the word joiner: no width, and no place to break a line
LINE_START = re.compile(r"(?<=\n)|(?<=\r)(?!\n)")  # Markdown has no other line ends; str.splitlines has
FENCE = re.compile(r" {0,3}(`{3,}(?![^\r\n]*`)|~{3,})")
FENCE_END = re.compile(r" {0,3}([`~]+) *[\r\n]*")
CODE_OR_TAG = re.compile(
    r"(?P<code>\\[\\`]|(`+)(?!`)[^\r\n]*?(?<!`)\2(?!`)|`+)"
    r"|<(?=[a-z/!?])(?!/?(?:br|sub|sup|kbd|details|summary)[ \t]*/?>|https?://)",
    re.IGNORECASE | re.ASCII,
)


def escape(text: str) -> str:
    """The text for the chatbot."""
    lines, fence = [], ""
    for line in LINE_START.split(text.replace(f"<{MARK}", f"<{MARK}{MARK}")):
        if fence:
            lines.append(line)
            end = FENCE_END.fullmatch(line)
            fence = "" if end and end[1].startswith(fence) else fence
        elif start := FENCE.match(line):
            lines.append(line)
            fence = start[1]
        else:
            lines.append(CODE_OR_TAG.sub(_escape_tag, line))
    return "".join(lines)


def unescape(value: Any) -> Any:
    """The text of which `escape` made this one; in a list or a dict, all its texts."""
    if isinstance(value, str):
        return value.replace(f"<{MARK}", "<")
    if isinstance(value, list):
        return [unescape(item) for item in value]
    if isinstance(value, dict):
        return {key: unescape(item) for key, item in value.items()}
    return value


def _escape_tag(found: re.Match[str]) -> str:
    return found[0] if found["code"] else f"{found[0]}{MARK}"
