"""Many replies in one forward pass: transformers' continuous batching, each reply with its own sampling and end."""

from __future__ import annotations

import copy
import itertools
import logging
import math
import queue
import threading
from collections.abc import Callable
from typing import Any

from transformers import ContinuousBatchingConfig
from transformers.generation.continuous_batching import ContinuousBatchingManager
from transformers.generation.continuous_batching.continuous_api import OutputRouter
from transformers.generation.continuous_batching.requests import GenerationOutput

from streamspace.engines import BEAT, Events, acquire
from streamspace.engines.draft import Draft, end_tokens
from streamspace.engines.sampler import Choice, Sampler
from streamspace.events import End, Event, Request

log = logging.getLogger(__name__)
logging.getLogger("ContinuousBatchingLogger").setLevel(logging.CRITICAL)  # we say it once, in our own words
PAGE = 32  # tokens; whole pages of a conversation are shared with its next turn instead of being read again
STEP = 512  # tokens read in one pass at most, so that a long prompt doesn't hold up the replies beside it


class BatchingEngine:
    """Writes up to `capacity` replies at once, each of at most `longest` tokens with its prompt.

    Replies share each forward pass, so a pass that fails ends the whole batch. They then go on in a new batch, admitted
    one by one, each alone until its next token: the one that is alone when a pass fails again fails, the others don't.
    """

    def __init__(self, model: Any, tokenizer: Any, capacity: int, longest: int) -> None:
        self.capacity = capacity
        self._model = model
        self._tokenizer = tokenizer
        self._longest = longest
        self._slots = threading.Semaphore(capacity)
        self._admission = threading.Lock()
        self._ids = itertools.count()
        self._batch: _Batch | None = None

    def stream(self, request: Request, stop: threading.Event) -> Events:
        """See `Engine.stream`. A reader who doesn't read doesn't hold up the batch: the reply is written to its end."""
        if not (yield from acquire(self._slots, stop)):
            yield End("stopped", 0, 0.0, 0.0)
            return
        draft = Draft(request, self._tokenizer, end_tokens(self._model), stop)
        reply = _Reply(f"reply-{next(self._ids)}", request, draft, Choice.of(request, self._model))
        try:
            yield from self._written(reply, stop)
        finally:
            stop.set()
            if self._batch:
                self._batch.remove(reply)
            self._slots.release()

    def close(self) -> None:
        """Ends the batch and its thread; replies that are being written fail."""
        if self._batch:
            self._batch.end()

    def _written(self, reply: _Reply, stop: threading.Event) -> Events:
        suspect = False
        while not reply.draft.ended:
            if not (yield from acquire(self._admission, stop)):
                yield from reply.draft.end("stopped")
                return
            try:
                batch = self._living_batch()
                batch.add(reply)
                if suspect and not (yield from reply.events(batch.alive, until_next_token=True)):
                    yield reply.draft.fail(reply.error or "the batch ended")
                    return
            finally:
                self._admission.release()
            yield from reply.events(batch.alive)
            suspect = True

    def _living_batch(self) -> _Batch:
        """The batch; a new one where there is none yet, or where it has died."""
        if self._batch and not self._batch.alive():
            log.warning("The batch of replies has ended; a new one is started")
            self._batch = None  # before the new one takes its memory
        self._batch = self._batch or _Batch(self._model, self.capacity, self._longest)
        return self._batch


class _Reply:
    """One reply on its way from the batch's thread to the reader of `events`."""

    def __init__(self, name: str, request: Request, draft: Draft, choice: Choice) -> None:
        self.name = name
        self.request = request
        self.draft = draft
        self.choice = choice
        self.written: list[int] = []
        self.error: str | None = None
        self._joined_at = 0
        self._queue: queue.SimpleQueue[Event | None] = queue.SimpleQueue()

    def join(self) -> list[int]:
        """The tokens that the batch reads first: the prompt, and what an earlier batch has written."""
        self._joined_at = len(self.written)
        return [*self.request.prompt, *self.written]

    def take(self, output: GenerationOutput) -> None:
        """Called in the batch's thread, after each pass, with all tokens since `join`."""
        if output.error is not None:
            self.error = output.error
            self._queue.put(None)
            return
        for token in output.generated_tokens[len(self.written) - self._joined_at :]:
            self.written.append(token)
            self._put(self.draft.take(token))
            if self.draft.ended:
                return
        if output.is_finished():
            self._put(self.draft.end("length"))

    def fail(self, error: Exception) -> None:
        """Called in the batch's thread when `take` itself has failed."""
        self._queue.put(self.draft.fail(error))

    def events(self, alive: Callable[[], bool], until_next_token: bool = False) -> Any:
        """Yields events to the end; returns early, and False, when the batch has died."""
        tokens = self.draft.tokens
        while True:
            try:
                event = self._queue.get(timeout=BEAT)
            except queue.Empty:
                if not alive():
                    return False
                yield self.draft.beat
            else:
                if event is None:
                    return False
                yield event
            if self.draft.ended and self._queue.empty():
                return True
            if until_next_token and self.draft.tokens > tokens:
                return True

    def _put(self, events: Any) -> None:
        for event in events:
            self._queue.put(event)


class _Batch:
    """transformers' manager of a batch, and the replies in it."""

    def __init__(self, model: Any, capacity: int, longest: int) -> None:
        self._replies: dict[str, _Reply] = {}
        self._sampler = Sampler()
        self._manager: ContinuousBatchingManager = model.init_continuous_batching(
            generation_config=_greedy(model),
            continuous_batching_config=ContinuousBatchingConfig(
                page_size=PAGE,
                num_blocks=capacity * (math.ceil(longest / PAGE) + 1),
                max_batch_tokens=max(STEP, capacity),
                max_requests_per_batch=capacity,
                safety_margin=0.0,  # there is room for each to its end
                use_cuda_graph=False,  # the sampler's work is not of a fixed shape
                use_async_batching=False,  # a reply that has ended must not be in the next pass
                auto_switch_to_flash=False,  # the config file chooses the attention
            ),
        )
        self._failed = self._ended = False
        self._manager.output_router = _Router(self._deliver)
        self._manager.logit_processor = self._sampler
        self._manager.start()
        threading.Thread(target=self._end_with_the_process, name="batch end", daemon=True).start()

    def alive(self) -> bool:
        """Whether the batch writes, or would."""
        return self._manager.is_running() and not self._manager.background_thread_status.can_accept_new_requests()

    def add(self, reply: _Reply) -> None:
        """Lets a reply into the next pass."""
        prompt = reply.join()
        self._replies[reply.name] = reply
        self._sampler.choices[reply.name] = reply.choice
        left = reply.request.sampling.max_new_tokens - len(reply.written)
        self._manager.add_request(prompt, request_id=reply.name, max_new_tokens=left, streaming=True)

    def remove(self, reply: _Reply) -> None:
        """Takes a reply out before the next pass, if it is still in."""
        if self._replies.pop(reply.name, None):
            self._manager.cancel_request(reply.name)
        self._sampler.choices.pop(reply.name, None)

    def end(self) -> None:
        """Ends the thread after its present pass."""
        if not self._ended:
            self._ended = True
            self._manager.stop(hard_stop=True)

    def _deliver(self, output: GenerationOutput) -> None:
        """Called in the batch's thread, which an exception would end."""
        if output.error and not self._failed:
            self._failed = True
            log.exception("The model failed while it was answering")  # in the manager's except clause
        reply = self._replies.get(output.request_id)
        if reply is None:
            return
        try:
            reply.take(output)
        except Exception as error:
            log.exception("A reply failed")
            reply.fail(error)
        if reply.draft.ended:
            self.remove(reply)

    def _end_with_the_process(self) -> None:
        """The manager's thread would keep the process alive."""
        threading.main_thread().join()
        self.end()


class _Router(OutputRouter):
    """Hands each output over in the batch's thread: what ends a reply then ends it before the next pass begins."""

    def __init__(self, take: Callable[[GenerationOutput], None]) -> None:
        super().__init__()
        self._take = take

    def deliver(self, output: GenerationOutput) -> None:
        self._take(output)

    def deliver_batch(self, outputs: list[GenerationOutput]) -> None:
        for output in outputs:
            self._take(output)


def _greedy(model: Any) -> Any:
    """The model's generation config, in which the highest score wins and only the sampler touches the scores."""
    config = copy.deepcopy(model.generation_config)
    config.do_sample = False
    config.eos_token_id = -1 if config.eos_token_id is None else config.eos_token_id
    config.repetition_penalty = None
    return config
