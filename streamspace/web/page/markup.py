"""Escapes text that a model or a visitor wrote, so that Markdown shows all of it and takes nothing in it for a tag.

An invisible character comes after each angle bracket that could begin a tag, in code as well: nothing here decides what
is code, so nothing can disagree with the browser's parser about it. markup.js writes texts by the same rule, and takes
the characters out again where they are shown. A few tags without attributes, which models write in tables and formulas,
are left alone. The chatbot's value is escaped, prompts and copies are not.
"""

from __future__ import annotations

import re
from typing import Any

MARK = "\u2060"  # the word joiner: no width, and no place to break a line
# What begins a tag in HTML: see https://html.spec.whatwg.org/multipage/parsing.html#tag-open-state
TAG = re.compile(
    r"<(?=[a-z/!?])(?!/?(?:br|sub|sup|kbd|details|summary)[ \t]*/?>|https?://[!#-&(-;=?-_a-~]*>)",
    re.IGNORECASE | re.ASCII,
)


def escape(text: str) -> str:
    """The text for the chatbot; one that is escaped already stays as it is."""
    return TAG.sub(f"<{MARK}", unescape(text))


def unescape(value: Any) -> Any:
    """The text of which `escape` made this one, without marks of its own; in a list or a dict, all its texts."""
    if isinstance(value, str):
        return re.sub(f"<{MARK}+", "<", value)
    if isinstance(value, list):
        return [unescape(item) for item in value]
    if isinstance(value, dict):
        return {key: unescape(item) for key, item in value.items()}
    return value
