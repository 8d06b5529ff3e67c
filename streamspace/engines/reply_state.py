"""A reply as it grows, for engines that write token by token: tokens go in, events come out."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from streamspace.engines.decode import Decoder, StopStrings
from streamspace.events import Event, Failure, Finished, Heartbeat, Reason, Request, TextDelta
from streamspace.i18n import LazyText, t


class Draft:
    """One reply. It decides when the reply is complete; `ended` then says so to what runs the model."""

    def __init__(self, request: Request, tokenizer: Any, eos: frozenset[int], stop: threading.Event) -> None:
        self.ended = False
        self.tokens = 0
        self._stop = stop
        self._eos = eos
        self._most = request.sampling.max_new_tokens
        self._deadline = request.time_limit
        self._decoder = Decoder(tokenizer, request.prompt[len(request.prompt) - request.prefix_length :])
        self._stops = StopStrings(request.sampling.stop)
        self._started = time.monotonic()
        self._first = 0.0

    @property
    def beat(self) -> Heartbeat:
        """What to send while nothing comes."""
        return Heartbeat("decode" if self.tokens else "prefill")

    def take(self, token: int) -> Iterator[Event]:
        """The events of the next token."""
        self._first = self._first or self._elapsed()
        if token in self._eos:
            yield from self.end("stop")
            return
        self.tokens += 1
        text, hit = self._stops.push(self._decoder.push(token))
        yield from self._piece(text)
        if hit:
            yield self._close("stop")
        elif self._stop.is_set():
            yield from self.end("cancelled")
        elif self._deadline is not None and self._elapsed() >= self._deadline:
            yield from self.end("timeout")
        elif self.tokens == self._most:
            yield from self.end("length")

    def end(self, reason: Reason) -> Iterator[Event]:
        """The last events. What a stop string held back is text after all; half a character is not, if more was due."""
        cut = reason in ("cancelled", "timeout")
        rest, hit = self._stops.push("" if cut else self._decoder.flush())
        yield from self._piece(rest if hit else rest + self._stops.flush())
        yield self._close("stop" if hit else reason)

    def fail(self, error: Exception | str) -> Failure:
        """The event when the model has failed."""
        self.ended = True
        return Failure(explain(error))

    def _piece(self, text: str) -> Iterator[Event]:
        if text:
            yield TextDelta(text, self.tokens)

    def _close(self, reason: Reason) -> Finished:
        self.ended = True
        return Finished(reason, self.tokens, round(self._first, 4), round(self._elapsed(), 4))

    def _elapsed(self) -> float:
        return time.monotonic() - self._started


def end_tokens(model: Any) -> frozenset[int]:
    """The ids of the tokens that end a reply; a model may have several."""
    found: int | Sequence[int] | None = model.generation_config.eos_token_id
    return frozenset([found] if isinstance(found, int) else found or [])


def explain(error: Exception | str) -> LazyText:
    """An exception of the model's, in a sentence for the visitor."""
    text = str(error).strip() or type(error).__name__
    if "out of memory" in text.lower():
        return t("error.model_memory")
    return t("error.model_failed", reason=text.splitlines()[0][:300])
