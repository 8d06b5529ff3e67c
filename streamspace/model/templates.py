"""Says why a model's chat template can't be used here, in words; who renders it, loaded or not, is the caller's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from streamspace.errors import ModelError, first_line
from streamspace.model.template_trial import OUT

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


def check_template(tokenizer: Any, task: str, model: str) -> None:
    """Raises ModelError when the task needs a chat template and the model has none, or one that doesn't render."""
    if task == "completion":
        return
    if not tokenizer.chat_template:
        raise ModelError(
            f"model.id: expected a model with a chat template for task: {task}, got {model!r}, which has none. "
            "Set task: completion for a base model, or name a .jinja file in model.chat_template"
        )
    if task == "image-chat":
        return  # `ImagePromptBuilder.check_processor` tries it

    refusals: list[str] = []  # in the template's own words, which are for the log

    def failure(messages: Messages, tools: Sequence[dict[str, Any]]) -> str | None:
        try:
            rendered = tokenizer.apply_chat_template(
                messages, tools=list(tools) or None, tokenize=False, add_generation_prompt=True
            )
        except Exception as error:  # a template raises what it likes
            refusals.append(first_line(error))
            return "the log says why"
        return None if MARK in rendered else OUT

    if found := obstacle(failure):
        said, next_step = found
        raise ModelError(
            f"model.chat_template: expected one that renders a message, got that of {model!r}, {said}. {next_step}",
            detail=refusals[0] if refusals else "",
        )
