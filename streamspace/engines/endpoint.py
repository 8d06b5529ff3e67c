"""Replies from a model behind a server that speaks OpenAI's chat API; it runs there, and nothing here needs torch."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from typing import Any

from huggingface_hub import AsyncInferenceClient

from streamspace.config.types import Endpoint
from streamspace.engines import endpoint_errors
from streamspace.engines.decode import StopStrings
from streamspace.engines.engine import HEARTBEAT, Events, RecentFailure, acquire
from streamspace.engines.reasoning import CLOSE, OPEN
from streamspace.events import Event, Failure, Finished, Heartbeat, Reason, Request, TextDelta

log = logging.getLogger(__name__)
PAUSES = (0.5, 1.0, 2.0)  # seconds before each further try; only until the first token has come
NO_KEY = "none"  # without a key huggingface_hub would send the machine's own Hub token to whichever server this is


class EndpointEngine:
    """Asks the server for up to `capacity` replies at once. `model` is its name there, `key` what the server wants.

    All requests run on one event loop in a thread, so that a Stop can close a connection on which nothing arrives;
    that is how these servers learn of it.
    """

    name = "endpoint"

    def __init__(self, settings: Endpoint, model: str, key: str | None, capacity: int) -> None:
        self.capacity = capacity
        self._settings = settings
        self._model = model
        self._key = key
        self._slots = threading.Semaphore(capacity)
        self._recent_failure = RecentFailure()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="endpoint", daemon=True).start()

    def stream(self, request: Request, stop: threading.Event) -> Events:
        """See `Engine.stream`; "within one token" is when the server notices that the connection is closed."""
        if not (yield from acquire(self._slots, stop)):
            yield Finished("cancelled", 0, 0.0, 0.0)
            return
        reply = _Reply(request)
        asking = asyncio.run_coroutine_threadsafe(self._ask(request, reply), self._loop)
        try:
            yield from reply.events(stop)
        finally:
            asking.cancel()
            self._slots.release()

    def unavailable_reason(self) -> str | None:
        """See `Engine.unavailable_reason`: why the last reply failed, if that was recent and not its own fault."""
        return self._recent_failure.get()

    async def _ask(self, request: Request, reply: _Reply) -> None:
        for pause in (*PAUSES, None):
            try:
                await self._read(request, reply)
                self._recent_failure.clear()
                return
            except Exception as error:
                if pause is None or reply.begun or not endpoint_errors.is_retryable(error):
                    log.warning("The model's server failed: %s", endpoint_errors.first_line(error))
                    explained = endpoint_errors.explain(error, self._model, self._settings)
                    if endpoint_errors.is_server_wide(error):
                        self._recent_failure.set(explained)
                    reply.put(Failure(explained))
                    return
                await asyncio.sleep(pause)

    async def _read(self, request: Request, reply: _Reply) -> None:
        """One try. The client is closed after it, and the connection with it: it would keep each one it ever had."""
        url, provider = self._settings.url, self._settings.provider
        at: dict[str, Any] = {"base_url": url} if url else {"provider": provider}
        async with AsyncInferenceClient(**at, token=self._key or NO_KEY, timeout=self._settings.timeout) as client:
            chunks = await client.chat_completion(**_payload(request, self._model), stream=True)
            async for chunk in chunks:
                if not reply.take(chunk):
                    return
        reply.end()


def _payload(request: Request, model: str) -> dict[str, Any]:
    """The request as these servers take it; what isn't in OpenAI's API is sent only where it changes something."""
    sampling = request.sampling
    extra: dict[str, Any] = {}
    if sampling.top_k:
        extra["top_k"] = sampling.top_k
    if sampling.repetition_penalty != 1:
        extra["repetition_penalty"] = sampling.repetition_penalty
    if request.prefix_length:
        extra |= {"continue_final_message": True, "add_generation_prompt": False}
    return {
        "messages": [vars(message) for message in request.messages],
        "model": model,
        "max_tokens": sampling.max_new_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
        "stop": list(sampling.stop[:4]) or None,  # most servers take four; `StopStrings` sees to them all
        "stream_options": {"include_usage": True},
        "extra_body": extra or None,
    }


class _Reply:
    """One reply on its way from the event loop, which calls `take` and `end`, to the reader of `events`."""

    def __init__(self, request: Request) -> None:
        self.begun = False
        self._tokens = 0
        self._reason: Reason | None = None
        self._thinking = False
        self._stops = StopStrings(request.sampling.stop)
        self._deadline = request.time_limit
        self._started = time.monotonic()
        self._first = 0.0
        self._queue: queue.SimpleQueue[Event] = queue.SimpleQueue()

    def put(self, event: Event) -> None:
        self._queue.put(event)

    def take(self, chunk: Any) -> bool:
        """Takes one chunk of the stream; False when a stop string has come, and the rest is of no interest."""
        hit = False
        for choice in chunk.choices or []:
            hit = self._write(choice.delta)
            if choice.finish_reason:
                self._reason = "length" if choice.finish_reason == "length" else "stop"
        if chunk.usage:  # the server's count; ours is one for each chunk with text
            self._tokens = chunk.usage.completion_tokens
        return not hit

    def end(self) -> None:
        """The stream is over. Raises EOFError when it broke off."""
        if self._reason is None:
            raise EOFError("the connection ended before the reply did")
        self._say(self._stops.flush())
        self.put(self._close(self._reason))

    def events(self, stop: threading.Event) -> Events:
        """Yields events to the Finished or the Failure."""
        while True:
            try:
                event: Event = self._queue.get(timeout=HEARTBEAT)
            except queue.Empty:
                event = Heartbeat("decode" if self.begun else "prefill")
            yield event
            if isinstance(event, Finished | Failure):
                return
            if stop.is_set() or self._late():
                yield self._close("cancelled" if stop.is_set() else "timeout")
                return

    def _write(self, delta: Any) -> bool:
        """Thoughts come in a field of their own; here they stand in the text, as a local model writes them."""
        thought = getattr(delta, "reasoning_content", None) or delta.reasoning
        answer = delta.content
        self._tokens += bool(thought or answer)
        if thought:
            self._say(thought if self._thinking else f"{OPEN}\n{thought}")
            self._thinking = True
        if not answer:
            return False
        if self._thinking:
            self._say(f"\n{CLOSE}\n\n")
            self._thinking = False
        text, hit = self._stops.push(answer)
        self._say(text)
        if hit:
            self.put(self._close("stop"))
        return hit

    def _say(self, text: str) -> None:
        if not text:
            return
        self.begun = True
        self._first = self._first or self._elapsed()
        self.put(TextDelta(text, self._tokens))

    def _close(self, reason: Reason) -> Finished:
        return Finished(reason, self._tokens, round(self._first, 4), round(self._elapsed(), 4))

    def _late(self) -> bool:
        return self._deadline is not None and self._elapsed() >= self._deadline

    def _elapsed(self) -> float:
        return time.monotonic() - self._started
