"""The plain engine: transformers' `generate` in a thread, read through a streamer; one reply at a time."""

from __future__ import annotations

import copy
import logging
import queue
import threading
import time
from collections.abc import Sequence
from typing import Any

import torch
from transformers import GenerationConfig
from transformers.generation.streamers import BaseStreamer

from streamspace.decode import Decoder, StopStrings
from streamspace.engines import Events
from streamspace.events import Beat, End, Event, Failure, Piece, Reason, Request, Sampling

log = logging.getLogger(__name__)
BEAT = 0.1  # seconds of silence after which a Beat is sent


class GenerateEngine:
    """Writes replies with `model.generate`.

    One at a time: two threads share one device's compute, so together they are no faster, and torch's random state is
    global, so a seed would not reproduce.
    """

    capacity = 1

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._turn = threading.Lock()

    def stream(self, request: Request, stop: threading.Event) -> Events:
        """See `Engine.stream`. The thread that runs the model holds the turn until the model has really ended."""
        while not self._turn.acquire(timeout=BEAT):
            if stop.is_set():
                yield End("stopped", 0, 0.0, 0.0)
                return
            yield Beat("waiting")
        reply = _Reply(request, self._tokenizer, stop, eos=_eos(self._model))
        thread = threading.Thread(target=self._write, args=(request, reply), name="generate", daemon=True)
        thread.start()
        try:
            yield from reply.events()
        finally:
            stop.set()

    def _write(self, request: Request, reply: _Reply) -> None:
        """Runs in the thread. Whatever goes wrong goes to the reader, who would wait for ever otherwise."""
        try:
            torch.manual_seed(request.sampling.seed)
            prompt = torch.tensor([request.prompt], device=self._model.device)
            self._model.generate(
                prompt,
                attention_mask=torch.ones_like(prompt),
                generation_config=generation_config(self._model.generation_config, request.sampling),
                streamer=reply,
            )
        except _Ended:
            pass
        except Exception as error:
            log.exception("The model failed while it was answering")
            reply.send(Failure(_explain(error)))
        finally:
            self._turn.release()
            reply.close()


def generation_config(base: GenerationConfig, sampling: Sampling) -> GenerationConfig:
    """The model's generation config with the request's sampling; at temperature 0 the sampling keys are left out."""
    config = copy.deepcopy(base)
    config.max_length = None
    config.max_new_tokens = sampling.max_new_tokens
    config.do_sample = sampling.temperature > 0
    config.temperature = sampling.temperature if config.do_sample else None
    config.top_p = sampling.top_p if config.do_sample and sampling.top_p < 1 else None
    config.top_k = sampling.top_k if config.do_sample else None  # 0 is off; None would be transformers' 50
    config.min_p = config.typical_p = None
    config.repetition_penalty = sampling.repetition_penalty if sampling.repetition_penalty != 1 else None
    return config


class _Ended(Exception):
    """Leaves `generate` from within the streamer, so that not one more step is begun."""


class _Reply(BaseStreamer):
    """One reply on its way from the model's thread, which calls `put` and `end`, to the reader of `events`.

    The queue between them holds one event: the model is never more than a token ahead of its reader, so when the
    reader stops, the model has nothing left to run on with.
    """

    def __init__(self, request: Request, tokenizer: Any, stop: threading.Event, eos: frozenset[int]) -> None:
        self._stop = stop
        self._eos = eos
        self._deadline = request.seconds
        self._decoder = Decoder(tokenizer, request.prompt[len(request.prompt) - request.continued :])
        self._stops = StopStrings(request.sampling.stop)
        self._queue: queue.Queue[Event | None] = queue.Queue(maxsize=1)
        self._started = time.monotonic()
        self._first = 0.0
        self._tokens = 0
        self._last = -1
        self._prompt_seen = False

    def put(self, value: torch.Tensor) -> None:
        """Takes the prompt, shape (1, length), and then each new token, shape (1,)."""
        if not self._prompt_seen:
            self._prompt_seen = True
            return
        for token in value.tolist():
            self._take(token)
        if self._stop.is_set():
            self._finish("stopped")
        if self._deadline is not None and self._elapsed() >= self._deadline:
            self._finish("time")

    def end(self) -> None:
        """`generate` came to its own end: the model's end token, or the longest reply."""
        rest, hit = self._stops.push(self._decoder.flush())
        self._say(rest if hit else rest + self._stops.flush())
        self._close_with("finished" if hit or self._last in self._eos else "length")

    def events(self) -> Events:
        """The reader's side: blocks for at most a beat, and ends when the model has."""
        while True:
            try:
                event = self._queue.get(timeout=BEAT)
            except queue.Empty:
                yield Beat("writing" if self._tokens else "reading")
                continue
            if event is None:
                return
            yield event

    def send(self, event: Event | None) -> None:
        """Hands an event over; gives up when the reader has stopped and takes no more."""
        while True:
            try:
                return self._queue.put(event, timeout=BEAT)
            except queue.Full:
                if self._stop.is_set():
                    return

    def close(self) -> None:
        """No more events."""
        self.send(None)

    def _take(self, token: int) -> None:
        self._last = token
        self._first = self._first or self._elapsed()
        if token in self._eos:
            return
        self._tokens += 1
        text, hit = self._stops.push(self._decoder.push(token))
        self._say(text)
        if hit:
            self._finish("finished")

    def _say(self, text: str) -> None:
        if text:
            self.send(Piece(text, self._tokens))

    def _finish(self, reason: Reason) -> None:
        """Ends before `generate` would: what a stop string held back is text after all, half a character is not."""
        if reason != "finished":
            self._say(self._stops.flush())
        self._close_with(reason)
        raise _Ended

    def _close_with(self, reason: Reason) -> None:
        self.send(End(reason, self._tokens, round(self._first, 4), round(self._elapsed(), 4)))

    def _elapsed(self) -> float:
        return time.monotonic() - self._started


def _eos(model: Any) -> frozenset[int]:
    """The ids of the tokens that end a reply; a model may have several."""
    found: int | Sequence[int] | None = model.generation_config.eos_token_id
    return frozenset([found] if isinstance(found, int) else found or [])


def _explain(error: Exception) -> str:
    """An exception of the model's, in a sentence for the visitor."""
    if isinstance(error, torch.OutOfMemoryError) or "out of memory" in str(error).lower():
        return "The model ran out of memory. Shorten the conversation or lower max_new_tokens, then try again"
    first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return f"The model failed while it was answering: {first_line[:300]}"
