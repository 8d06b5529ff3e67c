"""The tool that agents call, from its arguments to its result; how a call comes and goes is `routes`'s."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any

from mcp import types

from streamspace.errors import RequestError, told
from streamspace.i18n import t
from streamspace.model.thinking import CHOICES
from streamspace.problems import say
from streamspace.reply.loader import Loader
from streamspace.reply.progress import Progress, Replies
from streamspace.reply.request import Caller, ChatRequest, CompletionRequest
from streamspace.repository import called
from streamspace.web.mcp import schema
from streamspace.web.openai.forms import Texts
from streamspace.web.page.replies import status

Tell = Callable[[int, str], Awaitable[None]]
INTERVAL = 0.25  # seconds between two pieces of text
SILENCE = 5.0  # seconds after which the same words are said again: clients give up on a call that says nothing
CUT = {
    "length": "The answer is cut here, at max_new_tokens.",
    "timeout": "The answer is cut here: the requested GPU time has run out.",
}
ABOUT = {
    "chat": "Asks the language model {model} and returns its answer. The model sees nothing but what you send: put all "
    "that it needs into `message`, and earlier turns into `history`.",
    "complete": "Continues a text with the language model {model}, and returns what comes after it.",
}


class Tool:
    """The one tool of a Space: `chat`, or `complete` where its model has no conversations."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._completes = loader.config.task == "completion"
        self.name = "complete" if self._completes else "chat"

    def described(self) -> types.Tool:
        """The tool as agents read of it."""
        config = self._loader.config
        about = [ABOUT[self.name].format(model=called(config.model.id)), config.page.description]
        if config.task == "image-chat":
            about.insert(1, "Images can't be sent by this tool.")
        return types.Tool(
            name=self.name,
            title=config.page.title,
            description=" ".join(filter(None, about)),
            inputSchema=self._schema(),
            annotations=types.ToolAnnotations(
                title=config.page.title, readOnlyHint=True, destructiveHint=False, openWorldHint=False
            ),
        )

    async def call(self, name: str, asked: Mapping[str, Any], tell: Tell, caller: Caller) -> types.CallToolResult:
        """The answer, or why there is none."""
        try:
            with self._loader.accounts.refusals(caller):
                if name != self.name:
                    raise RequestError(f"tool: expected {self.name!r}, the one that this Space has, got {say(name)}")
                replies = self._replies(asked, caller)
            return _answer(await _written(replies, tell))
        except Exception as error:
            return refusal(str(told(error)))

    def _schema(self) -> schema.Schema:
        """How hard the model can think is known once it is loaded."""
        loaded = self._loader.pipeline
        levels = list(loaded.builder.thinking.choices if loaded else ())
        return schema.arguments(self._loader.config, levels or CHOICES)

    def _replies(self, asked: Mapping[str, Any], caller: Caller) -> Replies:
        """The reply that is asked for, checked as everywhere. Raises RequestError."""
        first, *others = properties = list(self._schema()["properties"])
        if unknown := [name for name in asked if name not in properties]:
            raise RequestError(f"{unknown[0][:80]}: expected one of {', '.join(properties)}")
        if not isinstance(given := asked.get(first), str):
            raise RequestError(f"{first}: expected text, got {'nothing' if given is None else say(given)}")
        if self._completes:
            return self._loader.complete(CompletionRequest(given, sampling=asked, caller=caller))
        history, system_prompt, thinking = (asked.get(name) for name in others[:3])
        return self._loader.chat(ChatRequest(given, history, system_prompt, thinking, sampling=asked, caller=caller))


async def _written(replies: Replies, tell: Tell) -> Progress:
    """The whole reply, told while it grows."""
    now, teller = Progress(), Teller(tell)
    async with aclosing(replies):
        async for now in replies:
            await teller.tell(now)
    return now


class Teller:
    """Tells a client, a few times a second, the text that has come since, or else what is happening."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._sent = Texts()
        self._words = ""
        self._count = 0
        self._at = -math.inf

    async def tell(self, now: Progress) -> None:
        """Says where the reply is `now`. The number that goes with it is its tokens', but grows each time."""
        texts, moment = Texts.of(now.parts), time.monotonic()
        words = texts.after(self._sent).content or ("" if texts.content else status(now))
        if words and moment - self._at >= (INTERVAL if words != self._words else SILENCE):
            self._sent, self._words, self._at = texts, words, moment
            self._count = max(self._count + 1, now.tokens)
            await self._tell(self._count, words)


def refusal(words: str) -> types.CallToolResult:
    """What an agent reads of a call that failed."""
    return types.CallToolResult(content=[types.TextContent(type="text", text=words)], isError=True)


def _answer(now: Progress) -> types.CallToolResult:
    """The answer without the thoughts, which would fill an agent's context, and after it what should be known of it."""
    reason = now.end.reason if now.end else ""
    dropped = t("status.dropped_messages", messages=now.dropped_messages) if now.dropped_messages else ""
    notes = [str(note) for note in (CUT.get(reason), dropped) if note]
    texts = [Texts.of(now.parts).content, *notes]
    return types.CallToolResult(content=[types.TextContent(type="text", text=text) for text in texts])
