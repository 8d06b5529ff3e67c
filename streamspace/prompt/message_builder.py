"""Prepares a conversation for a model behind a server, which has the tokenizer and the chat template itself."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence

from streamspace.engines.canonical import of_kind, render
from streamspace.errors import RequestError
from streamspace.events import Message, Part
from streamspace.i18n import t
from streamspace.model.thinking import Choice, Thinking
from streamspace.prompt.calling import Calling
from streamspace.prompt.conversation import Turn
from streamspace.prompt.prompt import Conversation, Prompt
from streamspace.tools import Call, Tools

CHARACTERS = 4  # per token, about: where the tokenizer is elsewhere, the server counts for itself
Count = Callable[[Sequence[Message], Tools | None], int]


class MessageBuilder:
    """In the place of a `PromptBuilder`, for one that has no tokenizer.

    Whether the model can think is not known here, unless `thinking` has its choices: with a default for it, the server
    is told.
    """

    def __init__(
        self,
        most_tokens: int,
        thinking: str | Thinking | None = None,
        count: Count | None = None,
        window: int = 0,
    ) -> None:
        self.calling = Calling()
        self._most = most_tokens
        self._count = count
        self._window = window
        if isinstance(thinking, Thinking):
            self.thinking = thinking
            return
        names = () if not thinking else ("off", "on") if thinking in ("off", "on") else ("low", "medium", "high")
        self.thinking = Thinking(dict.fromkeys(names, Choice()), thinking or "")

    def schema_problem(self, schema: str) -> str:
        """See `Prompts.schema_problem`: that is for the server to say."""
        return ""

    def tools_problem(self, tools: Tools) -> str:
        """See `Prompts.tools_problem`: so is that."""
        return ""

    def calls(self, reply: Sequence[Part], tools: Tools) -> tuple[Call, ...]:
        """See `Prompts.calls`."""
        return self.calling.read(reply, tools)

    def text(self, text: str, new_tokens: int) -> Prompt:
        """Refuses: raises RequestError. What these servers have in common takes conversations only."""
        raise RequestError(t("error.conversations_only"))

    def chat(self, conversation: Conversation, new_tokens: int) -> Prompt:
        """See `Prompts.chat`. How long the messages are is the server's count, or else an estimate."""
        system, turns, begun, tools = conversation.system, conversation.turns, conversation.begun, conversation.tools

        def messages(start: int) -> list[Message]:
            before = [Message("system", system)] if system.strip() else []
            after = [_begun(begun)] if begun else []
            said = (Message(turn.role, turn.text, turn.reasoning, turn.calls) for turn in turns[start:])
            return [*before, *said, *after]

        def tokens(start: int) -> int:
            return self._count(messages(start), tools) if self._count else 0

        start = self._start(turns, tokens, new_tokens)
        begins = begun[-1].kind if begun else "answer"
        choice = self.thinking.choose(conversation.thinking)
        return Prompt((), start, begins, bool(begun), tuple(messages(start)), choice, tools=tools)

    def _start(self, turns: Sequence[Turn], tokens: Callable[[int], int], new_tokens: int) -> int:
        """The first turn from which on the messages fit."""
        starts = [index for index, turn in enumerate(turns) if turn.role == "user"]
        if not self._count:
            most = self._most * CHARACTERS
            fits = (sum(turn.length for turn in turns[start:]) <= most for start in starts)
            return next((start for start, fit in zip(starts, fits, strict=True) if fit), starts[-1])
        room = min(self._most, self._window - new_tokens)
        if tokens(starts[0]) <= room:  # as nearly always, and each count is a request
            return starts[0]
        first = bisect.bisect_left(starts, True, key=lambda start: tokens(start) <= room)
        if first == len(starts):
            raise RequestError(t("error.too_many_tokens", tokens=tokens(starts[-1]), room=max(room, 0)))
        return starts[first]


def _begun(parts: Sequence[Part]) -> Message:
    """A reply to go on from. Servers continue the content, so thoughts that are to go on are part of it."""
    if parts[-1].kind != "answer":
        return Message("assistant", render(parts))
    return Message("assistant", of_kind(parts, "answer"), of_kind(parts, "reasoning"))
