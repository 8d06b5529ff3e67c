"""Turns a conversation or a text into token ids that fit the context window; `conversation` reads it from a client."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from streamspace.engines import reasoning
from streamspace.errors import ModelError, RequestError
from streamspace.events import Message, Tensor
from streamspace.i18n import t
from streamspace.prompt.control_tokens import ControlTokens
from streamspace.prompt.conversation import Turn


@dataclass(frozen=True)
class Prompt:
    """Token ids ready for the model, or the messages for one that has its tokenizer elsewhere.

    `dropped_messages` counts the oldest messages that were left out to fit. `opening` is how the chat template begins
    the reply (some open the reasoning themselves). The last `prefix_length` of the ids belong to a reply to go on from.
    `tensors` are the images' pixels; `dropped_images` counts the images that were left out.
    """

    ids: tuple[int, ...]
    dropped_messages: int = 0
    opening: str = ""
    prefix_length: int = 0
    messages: tuple[Message, ...] = ()
    tensors: tuple[Tensor, ...] = ()
    dropped_images: int = 0


class PromptBuilder:
    """Encodes prompts for one model, with its tokenizer and its chat template."""

    def __init__(self, tokenizer: Any, context_window: int, most_tokens: int) -> None:
        self._tokenizer = tokenizer
        self._window = context_window
        self._most = most_tokens
        self._control = ControlTokens(tokenizer)
        self._template = tokenizer.chat_template or ""
        self._folds_system = bool(self._template) and not self._knows_system()

    @property
    def can_think(self) -> bool:
        """Whether the chat template has a switch for thinking."""
        return "enable_thinking" in str(self._template)

    def text(self, text: str, new_tokens: int) -> Prompt:
        """A raw text to be continued. Raises RequestError when it is longer than what fits."""
        ids = tuple(self._tokenizer(text, split_special_tokens=True)["input_ids"])
        self._check(len(ids), self._budget(new_tokens))
        return Prompt(ids)

    def chat(
        self, system: str, turns: Sequence[Turn], new_tokens: int, thinking: bool = True, prefix: str = ""
    ) -> Prompt:
        """A conversation that ends with the user's turn, and the beginning of the reply where it is to go on.

        The oldest turns are left out until the rest fits into the context window beside `new_tokens`. Raises
        RequestError when the last turn alone is too long.
        """
        budget = self._budget(new_tokens)
        later = [index for index, turn in enumerate(turns) if turn.role == "user"][1:]

        def encode(start: int) -> Prompt:
            return self._encode(system, turns[start:], start, thinking, prefix)

        prompt = encode(0)
        if len(prompt.ids) > budget and later:
            first = bisect.bisect_left(later, True, key=lambda start: len(encode(start).ids) <= budget)
            prompt = encode(later[min(first, len(later) - 1)])
        self._check(len(prompt.ids), budget)
        return prompt

    def _encode(self, system: str, turns: Sequence[Turn], dropped_messages: int, thinking: bool, prefix: str) -> Prompt:
        rendered = self._render(self._messages(system, turns), thinking)
        opening = reasoning.OPEN + "\n" if rendered.rstrip().endswith(reasoning.OPEN) else ""
        prefix_ids = self._control.encode(self._control.mark_reply(prefix.removeprefix(opening))) if prefix else []
        ids, tensors = self._inputs(rendered, prefix_ids, turns)
        return Prompt(tuple(ids), dropped_messages, opening, len(prefix_ids), tensors=tensors)

    def _inputs(
        self, rendered: str, prefix_ids: list[int], turns: Sequence[Turn]
    ) -> tuple[list[int], tuple[Tensor, ...]]:
        """The token ids of a rendered prompt and of the reply's prefix, and the tensors the model takes besides."""
        return self._control.encode(rendered) + prefix_ids, ()

    def _messages(self, system: str, turns: Sequence[Turn]) -> list[dict[str, Any]]:
        if not system.strip():
            return [self._message(turn.role, turn.text, len(turn.images)) for turn in turns]
        if self._folds_system:
            first = replace(turns[0], text=f"{system}\n\n{turns[0].text}")
            return self._messages("", [first, *turns[1:]])
        return [self._message("system", system), *self._messages("", turns)]

    def _message(self, role: str, text: str, images: int = 0) -> dict[str, Any]:
        """A message in the form that the chat template reads."""
        return {"role": role, "content": self._control.mark(text)}

    def _render(self, messages: list[dict[str, Any]], thinking: bool = True) -> str:
        switch = {"enable_thinking": thinking} if self.can_think else {}
        rendered: str = self._tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, **switch
        )
        return rendered

    def _knows_system(self) -> bool:
        """Whether the template has a system role: some raise at one, others leave it out. Also a first test of it."""
        mark = "streamspace-system-probe"
        try:
            return mark in self._render([self._message("system", mark), self._message("user", "Hi")])
        except Exception:  # a template raises what it likes
            return False

    def _budget(self, new_tokens: int) -> int:
        return min(self._most, self._window - new_tokens)

    def _check(self, length: int, budget: int) -> None:
        if budget < 1:
            raise RequestError(t("error.no_room", window=self._window))
        if length > budget:
            raise RequestError(t("error.too_many_tokens", tokens=length, room=budget))


def check_template(tokenizer: Any, task: str, model: str) -> None:
    """Raises ModelError when the task needs a chat template and the model has none, or one that doesn't render."""
    if task == "completion":
        return
    if not tokenizer.chat_template:
        raise ModelError(
            f"model.id: expected a model with a chat template for task: {task}, got {model!r}, which has none. "
            "Set task: completion for a base model, or name a .jinja file in model.chat_template"
        )
    try:
        tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False, add_generation_prompt=True)
    except Exception as error:
        raise ModelError(
            f"model.chat_template: expected one that renders a conversation, got an error from that of {model!r}: "
            f"{error}. Name a .jinja file that works in model.chat_template"
        ) from error
