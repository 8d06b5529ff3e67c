"""Many replies in one forward pass, each with its own sampling, end and errors; `batch` is the pass they share."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Generator
from typing import Any

from streamspace.engines.batch import Batch, Reply
from streamspace.engines.compatibility import GREEDY
from streamspace.engines.engine import Events, RecentFailure, acquire
from streamspace.engines.reply_state import Draft, end_tokens
from streamspace.engines.sampler import RequestSampler
from streamspace.events import Event, Failure, Finished, Request

log = logging.getLogger(__name__)
TRIAL = Request((0,), GREEDY)  # every vocabulary has a token 0


class BatchingEngine:
    """Writes up to `capacity` replies at once, each of at most `longest` tokens with its prompt.

    Replies share each forward pass, so a pass that fails ends the whole batch. They then go on in a new batch, admitted
    one by one, each alone until its next token: the one that is alone when a pass fails again fails, the others don't.
    After it the engine writes a reply of its own: does that fail too, then any would.
    """

    name = "batching"

    def __init__(self, model: Any, tokenizer: Any, capacity: int, longest: int) -> None:
        self.capacity = capacity
        self._model = model
        self._tokenizer = tokenizer
        self._longest = longest
        self._slots = threading.Semaphore(capacity)
        self._admission = threading.Lock()
        self._ids = itertools.count()
        self._batch: Batch | None = None
        self._recent_failure = RecentFailure()
        threading.Thread(target=self._end_with_the_process, name="batch end").start()

    def stream(self, request: Request, stop: threading.Event) -> Events:
        """See `Engine.stream`. A reader who doesn't read doesn't hold up the batch: the reply is written to its end."""
        if not (yield from acquire(self._slots, stop)):
            yield Finished("cancelled", 0, 0.0, 0.0)
            return
        reply = self._reply(request, stop)
        try:
            if not (yield from self._written(reply, stop)):
                self._try_out()
        finally:
            stop.set()
            if batch := self._batch:
                batch.remove(reply)
            self._slots.release()

    def unavailable_reason(self) -> str | None:
        """See `Engine.unavailable_reason`. A batch that has ended is none: the next reply begins a new one."""
        return self._recent_failure.get()

    def close(self) -> None:
        """Ends the batch, its thread and its memory; replies that are being written fail."""
        batch, self._batch = self._batch, None
        if batch:
            batch.end()

    def _reply(self, request: Request, stop: threading.Event) -> Reply:
        draft = Draft(request, self._tokenizer, end_tokens(self._model), stop)
        return Reply(f"reply-{next(self._ids)}", request, draft, RequestSampler.of(request, self._model))

    def _written(self, reply: Reply, stop: threading.Event) -> Generator[Event, None, bool]:
        """Yields the reply's events; False when no batch could write it."""
        suspect = False
        while not reply.draft.ended:
            if not (yield from acquire(self._admission, stop)):
                yield from reply.draft.end("cancelled")
                return True
            try:
                batch = self._living_batch()
                batch.add(reply)
                if suspect and not (yield from reply.events(batch.alive, until_next_token=True)):
                    yield reply.draft.fail(reply.error or "the batch ended")
                    return False
            except Exception as error:
                log.exception("No batch of replies could be started")
                yield reply.draft.fail(error)
                return False
            finally:
                self._admission.release()
            if (yield from reply.events(batch.alive)):
                self._recent_failure.clear()
            suspect = True
        return True

    def _try_out(self) -> None:
        """Writes a few tokens of its own, now that a reply has failed: is the engine itself ill?"""
        never = threading.Event()
        *_, last = self._written(self._reply(TRIAL, never), never)
        if isinstance(last, Failure):
            self._recent_failure.set(last.message)

    def _end_with_the_process(self) -> None:
        """The batch's thread would keep the process alive."""
        threading.main_thread().join()
        self.close()

    def _living_batch(self) -> Batch:
        """The batch; a new one where there is none yet, or where it has died."""
        if self._batch and not self._batch.alive():
            log.warning("The batch of replies has ended; a new one is started")
            self._batch = None  # before the new one takes its memory
        self._batch = self._batch or Batch(self._model, self.capacity, self._longest)
        return self._batch
