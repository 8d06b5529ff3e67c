"""A batch of replies under transformers' continuous batching, each with its own sampling and its own reader."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import ContinuousBatchingConfig

from streamspace.engines import transformers_internals as internals
from streamspace.engines.explained import explain
from streamspace.engines.reply import Reply
from streamspace.engines.sampler import BatchSampler, RequestSampler
from streamspace.errors import redacted_trace

log = logging.getLogger(__name__)
PAGE = 32  # tokens; whole pages of a conversation are shared with its next turn instead of being read again
STEP = 512  # tokens read in one pass at most, so that a long prompt doesn't hold up the replies beside it
LEFT = RequestSampler()  # of who has left since the pass began: any token will do


@dataclass
class Member:
    """A reply's part in a batch: the tokens it has so far, with which another batch can go on.

    `public` of its first tokens are what all conversations begin with.
    """

    name: str
    reply: Reply
    sampler: RequestSampler
    public: int = 0
    written: list[int] = field(default_factory=list)
    error: str | None = None
    joined_at: int = 0

    def join(self) -> list[int]:
        """The tokens that the batch reads first: the prompt, and what an earlier batch has written."""
        self.joined_at = len(self.written)
        return [*self.reply.request.prompt, *self.written]

    def take(self, output: internals.GenerationOutput) -> None:
        """Called in the batch's thread, after each pass, with all tokens since `join`."""
        if output.error is not None:
            self.error = output.error
            self.reply.leave()
            return
        for token in output.generated_tokens[len(self.written) - self.joined_at :]:
            self.written.append(token)
            self.reply.add_token(token)
            if self.reply.ended:
                return
        if output.is_finished():
            self.reply.finish("length")


class Batch:
    """A running batch, and its members."""

    def __init__(self, model: Any, capacity: int, longest: int, report: Callable[[str], None]) -> None:
        self._report = report  # called in an except clause
        self._members: dict[str, Member] = {}
        self._failed = False
        self._sampler = BatchSampler(capacity)
        batching = ContinuousBatchingConfig(
            page_size=PAGE,
            num_blocks=capacity * (math.ceil(longest / PAGE) + 1),
            max_batch_tokens=max(STEP, capacity),
            max_requests_per_batch=capacity,
            safety_margin=0.0,  # there is room for each to its end
            use_cuda_graph=False,  # a replay would leave the sampler out: docs/decisions/0018-sampling-in-one-pass.md
            use_async_batching=False,  # a reply that has ended must not be in the next pass
            auto_switch_to_flash=False,  # the config file chooses the attention
        )
        self._manager = internals.start_manager(
            model, _greedy(model), batching, self._deliver, self._sample, self._salt, self._reused
        )

    def alive(self) -> bool:
        """Whether the batch computes, or would."""
        return internals.is_alive(self._manager)

    def add(self, member: Member) -> None:
        """Lets a reply into the next pass."""
        prompt = member.join()
        self._members[member.name] = member
        left = member.reply.request.sampling.max_new_tokens - len(member.written)
        self._manager.add_request(prompt, request_id=member.name, max_new_tokens=left, streaming=True)

    def remove(self, member: Member) -> None:
        """Takes a reply out before the next pass, if it is still in."""
        if self._members.pop(member.name, None):
            self._manager.cancel_request(member.name)

    def end(self) -> None:
        """Ends the thread after its present pass."""
        self._manager.stop(hard_stop=True)

    def _salt(self, name: str) -> tuple[str, int]:
        """What a reply's pages are shared by: its visitor, else nobody has the same. Whole pages may be public."""
        member = self._members.get(name)
        if not member:
            return f"reply {name}", 0
        visitor = member.reply.request.visitor
        return f"visitor {visitor}" if visitor else f"reply {name}", member.public // PAGE * PAGE

    def _reused(self, name: str, tokens: int) -> None:
        """Called when a reply joins; what it has written in an earlier batch isn't of its prompt."""
        if member := self._members.get(name):
            member.reply.reused_tokens = min(tokens, member.reply.prompt_tokens)

    def _sample(self, states: list[Any], scores: torch.Tensor) -> torch.Tensor:
        """Called in the batch's thread, in each pass."""
        members = [self._members.get(state.request_id) for state in states]
        return self._sampler.sample([each.sampler if each else LEFT for each in members], states, scores)

    def _deliver(self, output: internals.GenerationOutput) -> None:
        """Called in the batch's thread, which an exception would end."""
        if output.error and not self._failed:
            self._failed = True
            self._report("The model failed while it was answering")
        member = self._members.get(output.request_id)
        if member is None:
            return
        try:
            member.take(output)
        except Exception as error:
            log.error("A reply failed: %s", redacted_trace(error))
            member.reply.fail(explain(error))
        if member.reply.ended:
            self.remove(member)


def _greedy(model: Any) -> Any:
    """The model's generation config, in which the highest score wins and only the sampler touches the scores."""
    config = copy.deepcopy(model.generation_config)
    config.do_sample = False
    config.eos_token_id = -1 if config.eos_token_id is None else config.eos_token_id
    config.repetition_penalty = None
    return config
