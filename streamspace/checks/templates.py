"""Renders a model's chat template with typical conversations, without loading the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from streamspace.checks.findings import Finding
from streamspace.model import thinking
from streamspace.model.template_trial import choices, trial
from streamspace.model.templates import MARK, OWN, Messages, obstacle
from streamspace.trial import Endless

USER = {"role": "user", "content": "Hello"}
REPLY = {"role": "assistant", "content": "Hello!"}
SYSTEM = {"role": "system", "content": "Be brief."}
CASES = {
    "a system prompt": ([SYSTEM, USER], "it is put in front of the first message instead"),
    "an answer that is continued": ([USER, REPLY, USER], "the history is left out"),
    "two messages of the same role in a row": ([USER, USER], "roles have to take turns; the app sees to it"),
}


def findings(
    tokenizer: Mapping[str, Any], own_file: str | None, where: str, default: str | None = None
) -> Iterator[Finding]:
    """Findings for a template. `tokenizer` is tokenizer_config.json, `own_file` the text of chat_template.jinja.

    `default` is the config's choice of thinking.
    """
    text = source(tokenizer, own_file)
    if not text:
        problem = "task: expected a model with a chat template for 'chat', and this one has none"
        yield Finding("error", where, problem, "Choose the instruct version of the model, or set task: completion")
        return
    try:
        found = obstacle(partial(_failure, text, tokens(tokenizer)))
        refused = trial(text, [messages for messages, _ in CASES.values()], tokens(tokenizer))
        thoughts = choices(text, tokens(tokenizer))[0] if thinking.is_named(text) else []
    except Endless:
        found, refused, thoughts = ("which takes more time or memory than a template needs", OWN), [], []
    if found:
        said, hint = found
        yield Finding("error", where, f"model.chat_template: expected one that renders a message, got one {said}", hint)
        return
    for (name, (_, consequence)), error in zip(CASES.items(), refused, strict=True):
        if error is not None:
            yield Finding("note", where, f"the model's chat template refuses {name}: {consequence}")
    yield from _thinking(thoughts, default, where)


def _thinking(choices: Sequence[str], default: str | None, where: str) -> Iterator[Finding]:
    listed = ", ".join(choices)
    if choices:
        yield Finding("note", where, f"the page has a choice of how the model thinks: {listed}")
    if default is not None and default not in choices:
        expected = f"one of {listed}, or null" if choices else "null, since its chat template has no choice"
        yield Finding("warning", where, f"thinking.default: expected {expected}, got {default!r}", "The app ignores it")


def source(tokenizer: Mapping[str, Any], own_file: str | None) -> str | None:
    """The text of a model's template; of several, as in old tokenizers, the one named default."""
    named = tokenizer.get("chat_template")
    if isinstance(named, list):
        named = next((each["template"] for each in named if each.get("name") == "default"), None)
    return own_file or named


def _failure(text: str, special: Mapping[str, str], messages: Messages, tools: Sequence[dict[str, Any]]) -> str | None:
    (error,) = trial(text, [messages], special, tools, MARK)
    return error


def tokens(tokenizer: Mapping[str, Any]) -> dict[str, str]:
    """bos_token and the other special tokens as text; the file has text or a mapping."""
    found = {name: value for name, value in tokenizer.items() if name.endswith("_token")}
    return {
        name: value["content"] if isinstance(value, dict) else value
        for name, value in found.items()
        if isinstance(value, str | dict)
    }
