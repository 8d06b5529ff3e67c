"""Chooses the next token of each reply in a batch by that reply's own sampling and its own random state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from transformers import LogitsProcessorList
from transformers.generation.continuous_batching.cb_logits_processors import ContinuousBatchingLogitsProcessorList
from transformers.generation.continuous_batching.requests import FutureRequestState, RequestState

from streamspace.engines.generate import generation_config
from streamspace.events import Request


@dataclass(frozen=True)
class RequestSampler:
    """One reply's sampling: what `generate` would do to the scores, and the rng. No rng is greedy."""

    processors: LogitsProcessorList
    rng: torch.Generator | None

    @classmethod
    def of(cls, request: Request, model: Any) -> RequestSampler:
        """The sampler that `generate` makes for this request, with the same random numbers for the same seed."""
        config = generation_config(model.generation_config, request.sampling)
        rng = torch.Generator(model.device).manual_seed(request.sampling.seed) if config.do_sample else None
        return cls(model._get_logits_processor(config, input_ids_seq_length=len(request.prompt)), rng)

    @property
    def is_greedy(self) -> bool:
        """Whether the highest score wins as it is."""
        return self.rng is None and not self.processors


class Sampler(ContinuousBatchingLogitsProcessorList):
    """Takes the place of the logits processors, which know one seed for all and sort the vocabulary for every reply.

    The batch takes the highest score of each row, so a reply that samples gets a row in which its token wins.
    """

    def __init__(self) -> None:
        super().__init__(LogitsProcessorList())
        self.do_processing = True
        self.samplers: dict[str, RequestSampler] = {}  # by request id
        self._rows: list[RequestState] = []

    def prepare_tensor_args(
        self, requests_in_batch: list[FutureRequestState], arg_storage: torch.Tensor
    ) -> torch.Tensor:
        """Called before each step: notes which reply each row of scores will belong to."""
        self._rows = [request.state for request in requests_in_batch if request.has_new_token]
        return arg_storage

    def __call__(
        self, input_ids: torch.LongTensor, scores: torch.Tensor, logits_processor_args: torch.Tensor
    ) -> torch.Tensor:
        """Scores of shape (replies, vocabulary), in which the tokens chosen are the highest."""
        for row, state in enumerate(self._rows):
            sampler = self.samplers.get(state.request_id)
            if sampler and not sampler.is_greedy:
                scores[row] = _sampled(sampler, state, scores[row : row + 1])
        return scores


def _sampled(sampler: RequestSampler, state: RequestState, scores: torch.Tensor) -> torch.Tensor:
    ids: Any = torch.tensor([state.initial_tokens + state.generated_tokens], device=scores.device)
    scores = sampler.processors(ids, scores)
    if sampler.rng is None:
        return scores[0]
    token = torch.multinomial(scores.softmax(-1), 1, generator=sampler.rng)
    return torch.full_like(scores, -torch.inf).scatter(1, token, 0.0)[0]
