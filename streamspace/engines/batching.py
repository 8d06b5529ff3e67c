"""Many replies in one forward pass, each with its own sampling, end and errors; `batch` is the pass they share."""

from __future__ import annotations

import itertools
import logging
import sys
import threading
from collections.abc import Generator
from typing import Any

import torch

from streamspace.config.types import Config
from streamspace.engines import forms
from streamspace.engines import transformers_internals as internals
from streamspace.engines.batch import PAGE, Batch, Member
from streamspace.engines.compatibility import GREEDY, incompatibility, takes_positions
from streamspace.engines.engine import Events, Incompatible, LoadedModel, RecentFailure
from streamspace.engines.explained import explain
from streamspace.engines.generate import GenerateEngine
from streamspace.engines.kept import common
from streamspace.engines.preparation import new_reply, processors
from streamspace.engines.reply import CANCELLED
from streamspace.engines.sampler import RequestSampler
from streamspace.engines.slots import Slots
from streamspace.errors import redacted_trace
from streamspace.events import Event, Failure, Request

log = logging.getLogger(__name__)
TRIAL = Request((0,), GREEDY)  # every vocabulary has a token 0
HELLO = ("Hello! How are you today?", "Tell me, please, what is the capital of France, and what is it famous for?")


def build(config: Config, loaded: LoadedModel) -> BatchingEngine:
    """See `config/engines.py`. Raises Incompatible where a trial doesn't write what `generate` writes."""
    if not takes_positions(loaded.model):
        raise Incompatible("it can't be told at which positions the tokens of a shared pass are")
    longest = min(loaded.context_window, config.limits.prompt_tokens + int(config.sampling.max_new_tokens.max))
    model, attention = loaded.model, internals.attention(loaded.model)
    engine = BatchingEngine(model, loaded.tokenizer, config.limits.places, longest, on_trial=True)
    prompts = [tuple(loaded.tokenizer(text)["input_ids"]) for text in HELLO[: engine.capacity]]
    exact = not any(isinstance(each, torch.ao.nn.quantized.dynamic.Linear) for each in model.modules())
    reason = incompatibility(engine, GenerateEngine(model, loaded.tokenizer), prompts, exact)
    if reason:
        engine.close()
        model.set_attn_implementation(attention)  # the batch has switched it, and other engines can't compute with that
        raise Incompatible(reason)
    engine.on_trial = False
    return engine


class BatchingEngine:
    """Writes up to `capacity` replies at once, each of at most `longest` tokens with its prompt.

    Replies share each forward pass, so a pass that fails ends the whole batch. They then go on in a new batch, admitted
    one by one, each alone until its next token: the one that is alone when a pass fails again fails, the others don't.
    After it the engine writes a reply of its own: does that fail too, then any would.
    `on_trial` a batch that fails isn't begun anew, which could hide that each pass fails, and its failure isn't logged.
    """

    name = "batching"

    def __init__(self, model: Any, tokenizer: Any, capacity: int, longest: int, on_trial: bool = False) -> None:
        self.capacity = capacity
        self.on_trial = on_trial
        self._model = model
        self._tokenizer = tokenizer
        self._form = forms.of(tokenizer)
        self._longest = longest
        self._slots = Slots(capacity)
        self._admission = Slots(1)
        self._ids = itertools.count()
        self._beginning: tuple[int, ...] = ()
        self._batch: Batch | None = None
        self._recent_failure = RecentFailure()
        threading.Thread(target=self._end_with_the_process, name="batch end").start()

    def stream(self, request: Request, stop: threading.Event) -> Events:
        """See `Engine.stream`. A reader who doesn't read doesn't hold up the batch: the reply is written to its end."""
        with self._slots.slot() as slot:
            if not (yield from slot.wait(stop)):
                yield CANCELLED
                return
            member = self._member(request, stop)
            try:
                if not (yield from self._written(member, stop)):
                    self._try_out()
            finally:
                stop.set()
                if batch := self._batch:
                    batch.remove(member)

    def begin(self, request: Request) -> None:
        """Reads what conversations begin with, as this one does, once for all visitors. Before the first of them."""
        self._beginning = request.prompt
        if len(request.prompt) >= PAGE:  # else no whole page is
            for _ in self.stream(request, threading.Event()):
                pass

    def unavailable_reason(self) -> str | None:
        """See `Engine.unavailable_reason`. A batch that has ended is none: the next reply begins a new one."""
        return self._recent_failure.get()

    def close(self) -> None:
        """See `Engine.close`: ends the batch, its thread and its memory."""
        batch, self._batch = self._batch, None
        if batch:
            batch.end()

    def _member(self, request: Request, stop: threading.Event) -> Member:
        reply = new_reply(request, stop, self._model, self._tokenizer, self._form)
        others = processors(reply, self._tokenizer, self._form)
        public = common(request.prompt, self._beginning)
        return Member(f"reply-{next(self._ids)}", reply, RequestSampler.of(request, self._model, others), public)

    def _written(self, member: Member, stop: threading.Event) -> Generator[Event, None, bool]:
        """Yields the reply's events; False when no batch could write it."""
        reply, alone = member.reply, False
        while True:
            with self._admission.slot() as admission:
                if not (yield from admission.wait(stop)):
                    reply.finish("cancelled")
                    return (yield from reply.events())
                try:
                    batch = self._living_batch()
                    batch.add(member)
                except Exception as error:
                    self._report("No batch of replies could be started")
                    reply.fail(explain(error))
                    yield from reply.events()
                    return False
                if alone and not (yield from reply.events(batch.alive, next_token=True)):
                    reply.fail(explain(member.error or "the batch ended"))
                    yield from reply.events()
                    return False
            if (yield from reply.events(batch.alive)):
                self._recent_failure.clear()
                return True
            if self.on_trial:
                reply.fail(explain(member.error or "the batch ended"))
                yield from reply.events()
                return True
            alone = True

    def _try_out(self) -> None:
        """Writes a few tokens of its own, now that a reply has failed: would any reply fail?"""
        never = threading.Event()
        *_, last = self._written(self._member(TRIAL, never), never)
        if isinstance(last, Failure):
            self._recent_failure.set(last.message)

    def _report(self, message: str) -> None:
        """Logs the exception that is being handled; a trial's goes into the reason for another engine."""
        error = sys.exc_info()[1]
        log.log(logging.DEBUG if self.on_trial else logging.ERROR, "%s: %s", message, error and redacted_trace(error))

    def _end_with_the_process(self) -> None:
        """The batch's thread would keep the process alive."""
        threading.main_thread().join()
        self.close()

    def _living_batch(self) -> Batch:
        """The batch; a new one where there is none yet, or where it has died."""
        if self._batch and not self._batch.alive():
            log.warning("The batch of replies has ended; a new one is started")
            self._batch = None  # before the new one takes its memory
        self._batch = self._batch or Batch(self._model, self.capacity, self._longest, self._report)
        return self._batch
