"""Says why a model's chat template can't be used here, in words; who renders it, loaded or not, is the caller's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Messages = list[dict[str, Any]]
Failure = Callable[[Messages, Sequence[dict[str, Any]]], str | None]  # why MARK isn't in what is rendered with tools
MARK = "streamspace-probe"
PLAIN: Messages = [{"role": "user", "content": MARK}]
PARTS: Messages = [{"role": "user", "content": [{"type": "text", "text": MARK}]}]
TOOL = {
    "type": "function",
    "function": {"name": "clock", "description": "The time.", "parameters": {"type": "object", "properties": {}}},
}
OWN = "Name a .jinja file that works in model.chat_template"


def obstacle(failure: Failure) -> tuple[str, str] | None:
    """Why a message doesn't get through the template, and the next step; None when it does."""
    if (said := failure(PLAIN, ())) is None:
        return None
    if failure(PARTS, ()) is None:
        return (
            "which takes a message only as a list of parts, as models that read images do",
            f"Set task: image-chat if the model reads images. Otherwise: {OWN[0].lower()}{OWN[1:]}",
        )
    if failure(PLAIN, (TOOL,)) is None:
        return "which needs tools, and this app offers none", OWN
    return f"which doesn't: {said}", OWN
