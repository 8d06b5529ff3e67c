"""The story of a reply, in call order: check what was asked, build the prompt, stream the engine's text."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from streamspace import conversation, parameters
from streamspace.budget import Budget
from streamspace.config import Config
from streamspace.engines import Engine
from streamspace.errors import GenerationError, RequestError
from streamspace.events import Beat, End, Failure, Phase, Piece, Request, Sampling
from streamspace.messages import MessageEncoder
from streamspace.prompt import Encoder, Prompt
from streamspace.relay import pace, relay


@dataclass(frozen=True)
class Progress:
    """A reply so far: its whole text, what the model is doing, and the end when it has come.

    `dropped` is how many of the oldest messages didn't fit into the prompt.
    """

    text: str = ""
    tokens: int = 0
    phase: Phase = "waiting"
    dropped: int = 0
    end: End | None = None


Replies = AsyncGenerator[Progress, None]


class Writer:
    """Writes replies with one model, by one config."""

    def __init__(
        self, config: Config, engine: Engine, encoder: Encoder | MessageEncoder, budget: Budget | None = None
    ) -> None:
        self.config = config
        self.engine = engine
        self.encoder = encoder
        self.budget = budget
        """What a reply costs, where GPU seconds are counted."""

    @property
    def at_once(self) -> int:
        """Replies at the same time: what the config allows and the engine can do."""
        return min(self.config.limits.concurrency, self.engine.capacity)

    async def chat(
        self,
        message: Any,
        history: Any,
        system_prompt: str | None = None,
        thinking: bool = True,
        begun: str = "",
        **asked: Any,
    ) -> Replies:
        """Streams the reply to `message`, which comes after `history`; `begun` is a reply that is to go on.

        Raises RequestError before the engine is asked, GenerationError when the model fails.
        """
        yield Progress()  # before any work: a cancel that comes sooner would not be heard
        sampling = parameters.choose(self.config.sampling, asked)
        turns = conversation.read(history, self._message(message), self.config.limits.turns)
        system = self._system(system_prompt)
        encode = partial(self.encoder.chat, system, turns, sampling.max_new_tokens, thinking, begun)
        async with aclosing(self._stream(encode, sampling, begun)) as replies:
            async for progress in replies:
                yield progress

    async def complete(self, text: Any, **asked: Any) -> Replies:
        """Streams what comes after `text`. Raises as `chat` does."""
        yield Progress()
        sampling = parameters.choose(self.config.sampling, asked)
        text = self._message(text)
        encode = partial(self.encoder.text, text, sampling.max_new_tokens)
        async with aclosing(self._stream(encode, sampling)) as replies:
            async for progress in replies:
                yield progress

    async def cost(self, message: Any, history: Any, system_prompt: str, new_tokens: float) -> int | None:
        """The GPU seconds that such a reply would ask for; None where nobody counts them, or it would be refused."""
        if not self.budget:
            return None
        with contextlib.suppress(RequestError):
            turns = conversation.read(history, str(message or ""), self.config.limits.turns)
            sampling = parameters.choose(self.config.sampling, {"max_new_tokens": new_tokens})
            system, most = self._system(system_prompt), sampling.max_new_tokens
            prompt = await asyncio.to_thread(self.encoder.chat, system, turns, most)
            return self.budget.seconds(len(prompt.ids), most)
        return None

    async def _stream(self, encode: Callable[[], Prompt], sampling: Sampling, begun: str = "") -> Replies:
        prompt = await asyncio.to_thread(encode)
        request = Request(prompt.ids, sampling, prompt.continued, messages=prompt.messages)
        now = Progress(begun or prompt.lead, dropped=prompt.dropped)
        yield now
        open_stream = partial(self.engine.stream, request)
        async with aclosing(relay(open_stream, lambda: pace(len(now.text)) if now.tokens else 0.0)) as batches:
            async for events in batches:
                for event in events:
                    now = _after(now, event)
                yield now

    def _message(self, message: Any) -> str:
        most = self.config.limits.prompt_characters
        if not isinstance(message, str):
            raise RequestError(f"message: expected text, got a value of type {type(message).__name__}")
        if not message.strip():
            raise RequestError("Write a message first: this one is empty")
        if len(message) > most:
            raise RequestError(
                f"This message is too long: {len(message):,} characters, and this Space takes {most:,}. Shorten it"
            )
        return message

    def _system(self, asked: str | None) -> str:
        if asked is None:
            return self.config.system_prompt
        most = self.config.limits.prompt_characters
        if not isinstance(asked, str) or len(asked) > most:
            raise RequestError(f"system_prompt: expected text of at most {most:,} characters. Shorten it")
        return asked


def _after(now: Progress, event: Piece | Beat | End | Failure) -> Progress:
    if isinstance(event, Piece):
        return replace(now, text=now.text + event.text, tokens=event.tokens, phase="writing")
    if isinstance(event, Beat):
        return replace(now, phase=event.phase)
    if isinstance(event, End):
        return replace(now, tokens=event.tokens, end=event)
    raise GenerationError(event.message)
