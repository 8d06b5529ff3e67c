"""The plain engine: transformers' `generate` in a thread, read through a streamer; one reply at a time."""

from __future__ import annotations

import copy
import logging
import queue
import threading
from collections.abc import Iterable
from typing import Any

import torch
from transformers import GenerationConfig
from transformers.generation.streamers import BaseStreamer

from streamspace.engines.engine import HEARTBEAT, Events, acquire
from streamspace.engines.reply_state import Draft, end_tokens
from streamspace.engines.tensors import unpack
from streamspace.events import Event, Finished, Request, SamplingParams

log = logging.getLogger(__name__)


class GenerateEngine:
    """Writes replies with `model.generate`.

    One at a time: two threads share one device's compute, so together they are no faster, and torch's random state is
    global, so a seed would not reproduce.
    """

    name = "generate"
    capacity = 1

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._turn = threading.Lock()

    def stream(self, request: Request, stop: threading.Event) -> Events:
        """See `Engine.stream`. The thread that runs the model holds the turn until the model has really ended."""
        if not (yield from acquire(self._turn, stop)):
            yield Finished("cancelled", 0, 0.0, 0.0)
            return
        reply = _Reply(Draft(request, self._tokenizer, end_tokens(self._model), stop), stop)
        thread = threading.Thread(target=self._write, args=(request, reply), name="generate", daemon=True)
        thread.start()
        try:
            yield from reply.events()
        finally:
            stop.set()

    def unavailable_reason(self) -> None:
        """See `Engine.unavailable_reason`. Each reply has the model to itself: a failure says nothing of the next."""

    def rest(self) -> None:
        """Waits until no reply is being written: a stopped one may still be in its last step."""
        with self._turn:
            pass

    def _write(self, request: Request, reply: _Reply) -> None:
        """Runs in the thread. Whatever goes wrong goes to the reader, who would wait for ever otherwise."""
        try:
            torch.manual_seed(request.sampling.seed)
            prompt = torch.tensor([request.prompt], device=self._model.device)
            self._model.generate(
                prompt,
                attention_mask=torch.ones_like(prompt),
                **{each.name: unpack(each, self._model.device) for each in request.tensors},
                generation_config=generation_config(self._model.generation_config, request.sampling),
                streamer=reply,
            )
        except _Ended:
            pass
        except Exception as error:
            log.exception("The model failed while it was answering")
            reply.send([reply.draft.fail(error)])
        finally:
            self._turn.release()
            reply.close()


def generation_config(base: GenerationConfig, sampling: SamplingParams) -> GenerationConfig:
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

    def __init__(self, draft: Draft, stop: threading.Event) -> None:
        self.draft = draft
        self._stop = stop
        self._queue: queue.Queue[Event | None] = queue.Queue(maxsize=1)
        self._prompt_seen = False

    def put(self, value: torch.Tensor) -> None:
        """Takes the prompt, shape (1, length), and then each new token, shape (1,)."""
        if not self._prompt_seen:
            self._prompt_seen = True
            return
        self.send(list(self.draft.take(int(value))))  # all of them first: a reader who has gone takes none
        if self.draft.ended:
            raise _Ended

    def end(self) -> None:
        """`generate` came to an end that the draft didn't see, such as a limit of the model's own."""
        self.send(self.draft.end("length"))

    def events(self) -> Events:
        """The reader's side: blocks for at most a beat, and ends when the model has."""
        while True:
            try:
                event = self._queue.get(timeout=HEARTBEAT)
            except queue.Empty:
                yield self.draft.beat
                continue
            if event is None:
                return
            yield event

    def send(self, events: Iterable[Event | None]) -> None:
        """Hands events over; gives up when the reader has stopped and takes no more."""
        for event in events:
            while True:
                try:
                    self._queue.put(event, timeout=HEARTBEAT)
                    break
                except queue.Full:
                    if self._stop.is_set():
                        return

    def close(self) -> None:
        """No more events."""
        self.send([None])
