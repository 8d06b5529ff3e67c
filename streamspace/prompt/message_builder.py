"""Prepares a conversation for a model behind a server, which has the tokenizer and the chat template itself."""

from __future__ import annotations

from collections.abc import Sequence

from streamspace.engines.canonical import of_kind, render
from streamspace.errors import RequestError
from streamspace.events import Message, Part
from streamspace.i18n import t
from streamspace.prompt.builder import Prompt
from streamspace.prompt.conversation import Turn
from streamspace.prompt.thinking import Choice, Thinking

CHARACTERS = 4  # per token, about: the tokenizer is elsewhere, and the server counts for itself


class MessageBuilder:
    """In the place of a `PromptBuilder`, for one that has no tokenizer.

    Whether the model can think is not known here: with a default for it, `thinking`, the server is told.
    """

    def __init__(self, most_tokens: int, thinking: str | None = None) -> None:
        self._most = most_tokens * CHARACTERS
        names = () if not thinking else ("off", "on") if thinking in ("off", "on") else ("low", "medium", "high")
        self.thinking = Thinking(dict.fromkeys(names, Choice()), thinking or "")

    def text(self, text: str, new_tokens: int) -> Prompt:
        """Refuses: raises RequestError. What these servers have in common takes conversations only."""
        raise RequestError(t("error.conversations_only"))

    def chat(
        self, system: str, turns: Sequence[Turn], new_tokens: int, thinking: object = None, begun: Sequence[Part] = ()
    ) -> Prompt:
        """A conversation that ends with the user's turn, and the reply as far as it has `begun` where it is to go on.

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
        if begun:
            messages.append(_begun(begun))
        begins = begun[-1].kind if begun else "answer"
        choice = self.thinking.choose(thinking)
        return Prompt((), start, begins, bool(begun), tuple(messages), choice)


def _begun(parts: Sequence[Part]) -> Message:
    """A reply to go on from. Servers continue the content, so thoughts that are to go on are part of it."""
    if parts[-1].kind != "answer":
        return Message("assistant", render(parts))
    return Message("assistant", of_kind(parts, "answer"), of_kind(parts, "reasoning"))
