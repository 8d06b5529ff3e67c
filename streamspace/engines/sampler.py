"""Samples the next token of each reply in a batch, of all in one pass, by its own parameters and its own random state.

What is chosen is what `generate` would choose by the same random numbers. Processors that the pass doesn't know, from a
model's own generation config, are called for their row alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch.nn.functional import pad
from torch.nn.utils.rnn import pad_sequence
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from streamspace.engines import transformers_internals as internals
from streamspace.engines.constrained import Constraint
from streamspace.engines.preparation import generation_config
from streamspace.engines.truncation import min_p, on, top_k_and_p, top_p, without
from streamspace.events import Request


class Parameters(NamedTuple):
    """What the pass does to a reply's row; each value is neutral unless given."""

    penalty: float = 1.0
    temperature: float = 1.0
    top_k: int = 0
    rest: float = 0.0  # of probability, which top-p leaves out
    min_p: float = 0.0


NEUTRAL = Parameters()
FEW = 256  # tokens of a top-k, for which those with more of them don't make the others wait


@dataclass
class RequestSampler:
    """One reply's sampling: what `generate` would do to its scores, and its random numbers; greedy without.

    After the penalty come the processors that are called for its row alone, and then the constraint.
    """

    parameters: Parameters = NEUTRAL
    alone: LogitsProcessorList = field(default_factory=LogitsProcessorList)
    constraint: Constraint | None = None
    rng: torch.Generator | None = None
    _ids: torch.Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.long))

    @classmethod
    def of(cls, request: Request, model: Any, others: LogitsProcessorList) -> RequestSampler:
        """As `generate` samples for this request, and with these processors, by the same random numbers for a seed."""
        config = generation_config(model.generation_config, request.sampling)
        rng = torch.Generator(model.device).manual_seed(request.sampling.seed) if config.do_sample else None
        left, found = internals.logits_processors(model, config, len(request.prompt), others), {}
        if left and type(left[0]) is RepetitionPenaltyLogitsProcessor:
            found["penalty"] = left.pop(0).penalty
        if left and type(left[-1]) is MinPLogitsWarper:
            found["min_p"] = left.pop().min_p
        if left and type(left[-1]) is TopPLogitsWarper:
            found["rest"] = 1 - left.pop().top_p
        if left and type(left[-1]) is TopKLogitsWarper:
            found["top_k"] = left.pop().top_k
        if left and type(left[-1]) is TemperatureLogitsWarper:
            found["temperature"] = left.pop().temperature
        constraint = left.pop() if left and type(left[-1]) is Constraint else None
        return cls(Parameters(**found), left, constraint, rng)

    @property
    def is_neutral(self) -> bool:
        """Whether the token with the model's highest score is the one chosen."""
        return not (self.rng or self.alone or self.constraint or self.parameters != NEUTRAL)

    def ids(self, state: Any, device: torch.device) -> torch.Tensor:
        """The prompt and what has been written, shape (length,); only what is new since the last call is copied."""
        new = torch.tensor(internals.tokens_of(state)[len(self._ids) :], dtype=torch.long, device=device)
        self._ids = torch.cat((self._ids.to(device), new))
        return self._ids


class BatchSampler:
    """The pass, for up to `capacity` rows."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._noise = torch.empty(0)
        self._forbidden = torch.empty(0)

    def sample(self, rows: Sequence[RequestSampler], states: Sequence[Any], scores: torch.Tensor) -> torch.Tensor:
        """Scores in which the token chosen is the highest, from the model's, which may be written to.

        Both have the shape (rows, vocabulary); `states` are the batch's, of each row. Raises RuntimeError where a row
        that is sampled has no probabilities.
        """
        if all(row.is_neutral for row in rows):
            return scores
        if self._noise.shape != (shape := (self._capacity, scores.shape[-1])):
            self._noise, self._forbidden = scores.new_empty(shape), scores.new_empty(shape, dtype=torch.bool)
        parameters = torch.tensor([row.parameters for row in rows], dtype=scores.dtype, device=scores.device)
        if penalised := _taking(rows, "penalty"):
            seen = [rows[at].ids(states[at], scores.device) for at in penalised]
            scores = on(penalised, lambda *given: _penalised(seen, *given), scores, parameters[:, :1])
        constrained = []
        for at, row in enumerate(rows):
            if row.alone or row.constraint:
                ids: Any = row.ids(states[at], scores.device)[None]
                own = scores[at : at + 1]
                own[:] = row.alone(ids, own)
                if row.constraint and (allowed := row.constraint.allowed(ids, own)) is not None:
                    self._forbidden[at] = ~allowed
                    constrained.append(at)
        scores = on(constrained, without, scores, self._forbidden[: len(rows)])
        sampled = [at for at, row in enumerate(rows) if row.rng]
        return on(sampled, lambda *given: self._drawn([rows[at] for at in sampled], *given), scores, parameters)

    def _drawn(self, rows: Sequence[RequestSampler], scores: torch.Tensor, parameters: torch.Tensor) -> torch.Tensor:
        """As `torch.multinomial` draws one token: the highest of the probabilities, each divided by a random number."""
        _, temperature, top_k, rest, share = parameters.unsqueeze(-1).unbind(1)
        scores = scores / temperature
        limited = _taking(rows, "top_k")
        few = [at for at in limited if rows[at].parameters.top_k <= FEW]
        for group in (few, sorted({*limited} - {*few})):
            scores = on(group, top_k_and_p, scores, top_k, rest)
        scores = on(sorted({*_taking(rows, "rest")} - {*limited}), top_p, scores, rest)
        scores = on(_taking(rows, "min_p"), min_p, scores, share)
        probabilities = scores.softmax(-1)
        if bool(probabilities[:, 0].isnan().any()):
            raise RuntimeError("the scores are infinite or no numbers")
        for row, noise in zip(rows, self._noise, strict=False):
            _draw(noise, row.rng)
        return probabilities.div_(self._noise[: len(rows)])


def _taking(rows: Sequence[RequestSampler], name: str) -> list[int]:
    """The rows in which a parameter isn't neutral."""
    return [at for at, row in enumerate(rows) if getattr(row.parameters, name) != getattr(NEUTRAL, name)]


def _penalised(ids: list[torch.Tensor], scores: torch.Tensor, penalty: torch.Tensor) -> torch.Tensor:
    """The scores with those of the tokens that each row has made less likely; `penalty` has the shape (rows, 1)."""
    size = scores.shape[-1]
    places = pad_sequence(ids, batch_first=True, padding_value=size).clamp(max=size)  # one more column, for no token
    scores = pad(scores, (0, 1))
    found = scores.gather(-1, places)
    return scores.scatter_(-1, places, torch.where(found < 0, found * penalty, found / penalty))[:, :size]


def _draw(noise: torch.Tensor, rng: torch.Generator | None) -> None:
    """Fills it with what `exponential_` draws, which on a CPU takes one logarithm after the other."""
    if noise.is_cpu:
        uniform = torch.empty(noise.shape, dtype=torch.float64).uniform_(generator=rng)
        noise.copy_(uniform.neg_().log1p_().neg_())
    else:
        noise.exponential_(generator=rng)
