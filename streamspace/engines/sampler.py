"""Samples the next token of each reply in a batch by that reply's own parameters and its own random state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from transformers import LogitsProcessorList

from streamspace.engines import transformers_internals as internals
from streamspace.engines.preparation import generation_config
from streamspace.events import Request


@dataclass(frozen=True)
class RequestSampler:
    """One reply's sampling: what `generate` would do to the scores, and its random numbers; greedy without."""

    processors: LogitsProcessorList
    rng: torch.Generator | None

    @classmethod
    def of(cls, request: Request, model: Any, others: LogitsProcessorList) -> RequestSampler:
        """As `generate` samples for this request, and with these processors, by the same random numbers for a seed."""
        config = generation_config(model.generation_config, request.sampling)
        rng = torch.Generator(model.device).manual_seed(request.sampling.seed) if config.do_sample else None
        return cls(internals.logits_processors(model, config, len(request.prompt), others), rng)

    def sample(self, state: Any, scores: torch.Tensor) -> torch.Tensor | None:
        """Scores of shape (vocabulary,) in which the token sampled is the highest, from those of shape (1, vocabulary).

        None where the highest wins as it is. `state` is the batch's of this reply.
        """
        if self.rng is None and not self.processors:
            return None
        ids: Any = torch.tensor([internals.tokens_of(state)], device=scores.device)
        scores = self.processors(ids, scores)
        if self.rng is None:
            return scores[0]
        token = torch.multinomial(scores.softmax(-1), 1, generator=self.rng)
        return torch.full_like(scores, -torch.inf).scatter(1, token, 0.0)[0]
