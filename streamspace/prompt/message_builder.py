"""Prepares a conversation for a model behind a server, which has the tokenizer and the chat template itself."""

from __future__ import annotations

from collections.abc import Sequence

from streamspace.errors import RequestError
from streamspace.events import Message
from streamspace.i18n import t
from streamspace.prompt.builder import Prompt
from streamspace.prompt.conversation import Turn

CHARACTERS = 4  # per token, about: the tokenizer is elsewhere, and the server counts for itself


class MessageBuilder:
    """In the place of an `PromptBuilder`, for one that has no tokenizer."""

    can_think = False

    def __init__(self, most_tokens: int) -> None:
        self._most = most_tokens * CHARACTERS

    def text(self, text: str, new_tokens: int) -> Prompt:
        """Refuses: raises RequestError. What these servers have in common takes conversations only."""
        raise RequestError(t("error.conversations_only"))

    def chat(
        self, system: str, turns: Sequence[Turn], new_tokens: int, thinking: bool = True, prefix: str = ""
    ) -> Prompt:
        """A conversation that ends with the user's turn, and the beginning of the reply where it is to go on.

        The oldest turns are left out while the rest is longer than `most_tokens`, by an estimate.
        """
        start = 0
        for index, turn in enumerate(turns):
            if sum(len(later.text) for later in turns[start:]) <= self._most:
                break
            if turn.role == "user":
                start = index
        messages = [Message("system", system)] if system.strip() else []
        messages += [Message(turn.role, turn.text) for turn in turns[start:]]
        if prefix:
            messages.append(Message("assistant", prefix))
        return Prompt((), dropped_messages=start, prefix_length=1 if prefix else 0, messages=tuple(messages))
