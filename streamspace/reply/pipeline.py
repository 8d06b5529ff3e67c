"""The story of a reply, in call order: check what was asked, build the prompt, stream the engine's text."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from functools import partial

from streamspace.config.types import Config
from streamspace.engines.budget import Budget
from streamspace.engines.engine import Engine
from streamspace.errors import GenerationError, RequestError
from streamspace.events import Failure, Part, Request
from streamspace.model.context import Fit
from streamspace.prompt.prompt import Prompt, Prompts
from streamspace.reply import checked, parameters
from streamspace.reply.bridge import bridge
from streamspace.reply.measure import Measure
from streamspace.reply.progress import Progress, Replies, after
from streamspace.reply.queue import RequestQueue
from streamspace.reply.rates import Rates
from streamspace.reply.request import Caller, ChatRequest, CompletionRequest, Values
from streamspace.sampling import SamplingParams

Job = tuple[Prompt, SamplingParams]
Build = Callable[[], Job]


class Pipeline:
    """Writes replies with one model, by one config."""

    def __init__(
        self,
        config: Config,
        engine: Engine,
        builder: Prompts,
        budget: Budget | None = None,
        fit: Fit | None = None,
    ) -> None:
        self.config = config
        self.engine = engine
        self.builder = builder
        self.budget = budget
        """What a reply costs, where GPU seconds are counted."""
        self._decoding = asyncio.Lock()  # images: one reply's at a time
        self.fit = fit
        """What of the config's limits fits a model on this machine."""
        self.on_end: Callable[[], None] = lambda: None
        """Called where the model is lost, with the process that had it: no reply can be written any more."""
        self._queue = RequestQueue(min(config.limits.places, engine.capacity), config.limits.queue)
        self._rates = Rates(config.limits)

    @property
    def busy(self) -> tuple[int, int]:
        """How many replies are being written, and how many wait in queue."""
        return self._queue.length()

    def close(self) -> None:
        """Takes no more requests, and sends away those that wait; what is being written goes on. From any thread."""
        self._queue.close()

    def end(self) -> None:
        """Ends also what is being written. From any thread."""
        self._queue.end()

    def chat(self, request: ChatRequest) -> Replies:
        """Streams the reply. Raises RequestError before the engine is asked, GenerationError when the model fails."""
        return self._stream(partial(self._chat_job, request), request.caller, request.begun)

    def complete(self, request: CompletionRequest) -> Replies:
        """Streams what comes after a text. Raises as `chat` does."""
        return self._stream(partial(self._completion_job, request), request.caller)

    async def measure(self, request: ChatRequest) -> Measure:
        """What a message would take that isn't sent yet, and may be empty."""
        if self.config.task == "image-chat" and not self.budget:
            return Measure()  # every pause in typing would decode all images
        try:
            build = await asyncio.to_thread(self._chat_job, request, unsent=True)
            prompt, sampling = await self._alone(build)
        except RequestError as error:
            return Measure(problem=error)
        tokens, most = len(prompt.ids), sampling.max_new_tokens
        room = self.fit.prompt if self.fit else self.config.limits.prompt_tokens
        return Measure(tokens, room, self.budget.seconds(tokens, most) if self.budget else 0)

    async def _stream(self, check: Callable[[], Build], caller: Caller, begun: tuple[Part, ...] = ()) -> Replies:
        """The whole story of a reply, in call order."""
        yield Progress()  # before any work: a cancel that comes sooner would not be heard
        build = await asyncio.to_thread(check)
        self._queue.check_room()  # also before the prompt is built, since that takes a processor
        self._rates.check(caller.key)
        job = None if self.config.task == "image-chat" else await asyncio.to_thread(build)
        with self._queue.entry() as entry, self._rates.place(caller.key) as place:
            while position := entry.position:
                yield Progress(position=position)
                await entry.move()
            # Images are large, and those of the replies that wait would all be there.
            prompt, sampling = job or await self._alone(build)
            request = replace(prompt.request(sampling), visitor=caller.shares, cache_key=caller.cache_key)
            now = Progress(begun, dropped_messages=prompt.dropped_messages, dropped_images=prompt.dropped_images)
            async with aclosing(self._written(request, now)) as replies:
                async for progress in replies:
                    place.tokens = progress.tokens
                    yield progress

    async def _alone(self, build: Build) -> Job:
        """What `build` returns, which runs when no other does, also none whose visitor has gone."""
        await self._decoding.acquire()
        building = asyncio.ensure_future(asyncio.to_thread(build))

        def release(built: asyncio.Future[Job]) -> None:
            self._decoding.release()
            built.exception()  # else asyncio would log one that nobody waits for

        building.add_done_callback(release)
        return await asyncio.shield(building)

    async def _written(self, request: Request, now: Progress) -> Replies:
        """The reply to a request whose turn it is, after what there is of it `now`."""
        yield now
        async with aclosing(bridge(partial(self.engine.stream, request))) as batches:
            async for events in batches:
                for event in events:
                    if isinstance(event, Failure):
                        yield now  # with what came before it
                        raise GenerationError(event.message)
                    now = after(now, event)
                if events or not now.end:  # an engine may have something to do after its last event
                    yield now
                if not now.end:
                    self._queue.check_running()

    def _chat_job(self, request: ChatRequest, unsent: bool = False) -> Build:
        """Builds the prompt of a request that is checked. Raises RequestError; not for an empty, `unsent` message."""
        sampling = self._sampling(request.sampling)
        asked, dropped = checked.conversation(self.config, request, unsent)

        def build() -> Job:
            prompt = self.builder.chat(asked, sampling.max_new_tokens)
            return replace(prompt, dropped_messages=prompt.dropped_messages + dropped), sampling

        return build

    def _completion_job(self, request: CompletionRequest) -> Build:
        sampling = self._sampling(request.sampling)
        text = checked.message(self.config.limits, request.prompt)
        return lambda: (self.builder.text(text, sampling.max_new_tokens), sampling)

    def _sampling(self, asked: Values | SamplingParams) -> SamplingParams:
        """Within the config's bounds, and within what fits the model: a reply is rather shorter than refused."""
        sampling = asked if isinstance(asked, SamplingParams) else parameters.choose(self.config.sampling, asked)
        most = self.fit.max if self.fit else sampling.max_new_tokens
        return replace(sampling, max_new_tokens=min(sampling.max_new_tokens, most))
