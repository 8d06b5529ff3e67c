"""The story of a reply, in call order: check what was asked, build the prompt, stream the engine's text."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from streamspace.config.types import Config
from streamspace.engines.budget import Budget
from streamspace.engines.engine import Engine
from streamspace.errors import GenerationError, RequestError
from streamspace.events import Failure, Finished, Heartbeat, Phase, Request, SamplingParams, TextDelta
from streamspace.i18n import t
from streamspace.prompt import conversation
from streamspace.prompt.builder import Prompt, PromptBuilder
from streamspace.prompt.conversation import Turn
from streamspace.prompt.message_builder import MessageBuilder
from streamspace.reply import parameters
from streamspace.reply.bridge import bridge, update_interval
from streamspace.reply.queue import RequestQueue


@dataclass(frozen=True)
class Progress:
    """A reply so far: its whole text, what the model is doing, and the end when it has come.

    `dropped_messages` and `dropped_images` count the oldest ones that didn't fit, `note` says how far the model is
    while it loads, and `position` is the reply's in the queue: 0 runs, 1 is the next.
    """

    text: str = ""
    tokens: int = 0
    phase: Phase = "waiting"
    dropped_messages: int = 0
    dropped_images: int = 0
    end: Finished | None = None
    note: str = ""
    position: int = 0


Replies = AsyncGenerator[Progress, None]


class Pipeline:
    """Writes replies with one model, by one config."""

    def __init__(
        self, config: Config, engine: Engine, builder: PromptBuilder | MessageBuilder, budget: Budget | None = None
    ) -> None:
        self.config = config
        self.engine = engine
        self.builder = builder
        self.budget = budget
        """What a reply costs, where GPU seconds are counted."""
        self._queue = RequestQueue(min(config.limits.concurrency, engine.capacity), config.limits.queue)

    @property
    def busy(self) -> tuple[int, int]:
        """How many replies are being written, and how many wait in queue."""
        return self._queue.length()

    async def chat(
        self,
        message: Any,
        history: Any,
        system_prompt: str | None = None,
        thinking: bool = True,
        prefix: str = "",
        images: Any = None,
        **asked: Any,
    ) -> Replies:
        """Streams the reply to `message`, which comes after `history`; `prefix` is a reply that is to go on.

        `images` are uploaded files that come with the message, as Gradio describes them.
        Raises RequestError before the engine is asked, GenerationError when the model fails.
        """
        yield Progress()  # before any work: a cancel that comes sooner would not be heard
        sampling = parameters.choose(self.config.sampling, asked)
        turns = self._turns(history, self._message(message, empty=bool(images)), images)
        system = self._system(system_prompt)
        encode = partial(self.builder.chat, system, turns, sampling.max_new_tokens, thinking, prefix)
        async with aclosing(self._stream(encode, sampling, prefix)) as replies:
            async for progress in replies:
                yield progress

    async def complete(self, text: Any, **asked: Any) -> Replies:
        """Streams what comes after `text`. Raises as `chat` does."""
        yield Progress()
        sampling = parameters.choose(self.config.sampling, asked)
        text = self._message(text)
        encode = partial(self.builder.text, text, sampling.max_new_tokens)
        async with aclosing(self._stream(encode, sampling)) as replies:
            async for progress in replies:
                yield progress

    async def cost(
        self, message: Any, history: Any, system_prompt: str, new_tokens: float, images: Any = None
    ) -> int | None:
        """The GPU seconds that such a reply would ask for; None where nobody counts them, or it would be refused."""
        if not self.budget:
            return None
        with contextlib.suppress(RequestError):
            turns = self._turns(history, str(message or ""), images)
            sampling = parameters.choose(self.config.sampling, {"max_new_tokens": new_tokens})
            system, most = self._system(system_prompt), sampling.max_new_tokens
            prompt = await asyncio.to_thread(self.builder.chat, system, turns, most)
            return self.budget.seconds(len(prompt.ids), most)
        return None

    async def _stream(self, encode: Callable[[], Prompt], sampling: SamplingParams, prefix: str = "") -> Replies:
        prompt = await asyncio.to_thread(encode)
        with self._queue.entry() as entry:
            while position := entry.position:
                yield Progress(position=position)
                await entry.move()
            async with aclosing(self._written(prompt, sampling, prefix)) as replies:
                async for progress in replies:
                    yield progress

    async def _written(self, prompt: Prompt, sampling: SamplingParams, prefix: str) -> Replies:
        request = Request(prompt.ids, sampling, prompt.prefix_length, messages=prompt.messages, tensors=prompt.tensors)
        now = Progress(
            prefix or prompt.opening, dropped_messages=prompt.dropped_messages, dropped_images=prompt.dropped_images
        )
        yield now
        open_stream = partial(self.engine.stream, request)
        async with aclosing(
            bridge(open_stream, lambda: update_interval(len(now.text)) if now.tokens else 0.0)
        ) as batches:
            async for events in batches:
                for event in events:
                    if isinstance(event, Failure):
                        yield now  # with what came before it
                        raise GenerationError(event.message)
                    now = _after(now, event)
                yield now

    def _turns(self, history: Any, message: str, images: Any = None) -> list[Turn]:
        turns = conversation.read(history, message, self.config.limits.turns, images)
        if self.config.task != "image-chat" and any(turn.images for turn in turns):
            raise RequestError(t("error.image_text_only"))
        return turns

    def _message(self, message: Any, empty: bool = False) -> str:
        most = self.config.limits.prompt_characters
        if not isinstance(message, str):
            raise RequestError(t("error.not_text", type=type(message).__name__))
        if not (message.strip() or empty):
            raise RequestError(t("error.empty"))
        if len(message) > most:
            raise RequestError(t("error.too_many_characters", characters=len(message), most=most))
        return message

    def _system(self, asked: str | None) -> str:
        if asked is None:
            return self.config.system_prompt
        most = self.config.limits.prompt_characters
        if not isinstance(asked, str) or len(asked) > most:
            raise RequestError(t("error.system_prompt", most=most))
        return asked


def _after(now: Progress, event: TextDelta | Heartbeat | Finished) -> Progress:
    if isinstance(event, TextDelta):
        return replace(now, text=now.text + event.text, tokens=event.tokens, phase="decode")
    if isinstance(event, Heartbeat):
        return replace(now, phase=event.phase)
    return replace(now, tokens=event.tokens, end=event)
