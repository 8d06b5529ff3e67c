"""A batch of replies under transformers' continuous batching, and how each token gets from it to its reader."""

from __future__ import annotations

import copy
import logging
import math
import queue
from collections.abc import Callable, Generator, Iterable
from typing import Any

from transformers import ContinuousBatchingConfig
from transformers.generation.continuous_batching import ContinuousBatchingManager
from transformers.generation.continuous_batching.continuous_api import OutputRouter
from transformers.generation.continuous_batching.requests import GenerationOutput

from streamspace.engines.engine import HEARTBEAT
from streamspace.engines.reply_state import Draft
from streamspace.engines.sampler import RequestSampler, Sampler
from streamspace.events import Event, Failure, Finished, Request

log = logging.getLogger(__name__)
PAGE = 32  # tokens; whole pages of a conversation are shared with its next turn instead of being read again
STEP = 512  # tokens read in one pass at most, so that a long prompt doesn't hold up the replies beside it


class Reply:
    """One reply on its way from the batch's thread to the reader of `events`."""

    def __init__(self, name: str, request: Request, draft: Draft, sampler: RequestSampler) -> None:
        self.name = name
        self.request = request
        self.draft = draft
        self.sampler = sampler
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

    def events(self, alive: Callable[[], bool], until_next_token: bool = False) -> Generator[Event, None, bool]:
        """Yields events to the end; returns early, and False, when the batch has died."""
        tokens = self.draft.tokens
        while True:
            try:
                event = self._queue.get(timeout=HEARTBEAT)
            except queue.Empty:
                if not alive():
                    return False
                yield self.draft.beat
            else:
                if event is None:
                    return False
                yield event
                if isinstance(event, Finished | Failure):
                    return True
            if until_next_token and self.draft.tokens > tokens:
                return True

    def _put(self, events: Iterable[Event]) -> None:
        for event in events:
            self._queue.put(event)


class Batch:
    """transformers' manager of a batch, and the replies in it."""

    def __init__(self, model: Any, capacity: int, longest: int) -> None:
        self._replies: dict[str, Reply] = {}
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
        logging.getLogger("ContinuousBatchingLogger").setLevel(logging.CRITICAL)  # what it says we say, once
        self._failed = False
        self._manager.output_router = _Router(self._deliver)
        self._manager.logit_processor = self._sampler
        self._manager.start()

    def alive(self) -> bool:
        """Whether the batch writes, or would."""
        return self._manager.is_running() and not self._manager.background_thread_status.can_accept_new_requests()

    def add(self, reply: Reply) -> None:
        """Lets a reply into the next pass."""
        prompt = reply.join()
        self._replies[reply.name] = reply
        self._sampler.samplers[reply.name] = reply.sampler
        left = reply.request.sampling.max_new_tokens - len(reply.written)
        self._manager.add_request(prompt, request_id=reply.name, max_new_tokens=left, streaming=True)

    def remove(self, reply: Reply) -> None:
        """Takes a reply out before the next pass, if it is still in."""
        if self._replies.pop(reply.name, None):
            self._manager.cancel_request(reply.name)
        self._sampler.samplers.pop(reply.name, None)

    def end(self) -> None:
        """Ends the thread after its present pass."""
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
