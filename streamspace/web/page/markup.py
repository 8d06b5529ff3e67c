"""Text that a model or a visitor wrote, as Markdown that shows all of it: what looks like a tag of HTML is no tag.

`a<b and c>d` would lose its middle, and tags are how a reply would draw over the page. An unseen mark behind the angle
bracket takes it its meaning; code is left alone, and so are a few tags that models write in tables and formulas. The
chatbot's value holds the marks, and `written` gives the text without them; page.js does both for the browser.
"""

from __future__ import annotations

import re
from typing import Any

MARK = "\u2060"  # the word joiner: no width, and no place to break a line
FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
CODE_OR_TAG = re.compile(
    r"(?P<code>(`{1,2})[^`\n]+\2)|<(?=[a-z/!?])(?!/?(?:br|sub|sup|kbd|details|summary)\s*/?>|https?://)", re.IGNORECASE
)


def shown(text: str) -> str:
    """The text for the chatbot."""
    lines, fence = [], ""
    for line in text.splitlines(keepends=True):
        found = FENCE.match(line)
        lines.append(line if fence or found else CODE_OR_TAG.sub(_marked, line))
        if found and not fence:
            fence = found[1]
        elif found and found[1].startswith(fence) and not line[found.end() :].strip():
            fence = ""
    return "".join(lines)


def written(value: Any) -> Any:
    """A text of the chatbot's without the marks, and whatever holds such texts with all of them so."""
    if isinstance(value, str):
        return value.replace(f"<{MARK}", "<")
    if isinstance(value, list):
        return [written(item) for item in value]
    if isinstance(value, dict):
        return {key: written(item) for key, item in value.items()}
    return value


def _marked(found: re.Match[str]) -> str:
    return found[0] if found["code"] else f"{found[0]}{MARK}"
