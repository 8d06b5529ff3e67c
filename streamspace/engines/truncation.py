"""Leaves each row of scores its tokens of top-k, top-p and min-p: for all rows at once, exactly as transformers does.

transformers sorts the whole vocabulary of each row for top-p. Here the tokens that top-k leaves are enough, unless
top-p parts tokens with equal scores: which of them it keeps is known by the sort alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

Step = Callable[..., torch.Tensor]  # scores of shape (rows, vocabulary), and what it takes for each row


def on(rows: Sequence[int], step: Step, scores: torch.Tensor, *given: torch.Tensor) -> torch.Tensor:
    """The scores after a step that these rows alone take, each with its row of what is given; may write to them."""
    if not rows:
        return scores
    if len(rows) == len(scores):
        return step(scores, *given)
    scores[rows] = step(scores[rows], *(each[rows] for each in given))
    return scores


def without(scores: torch.Tensor, removed: torch.Tensor) -> torch.Tensor:
    """Minus infinity for what is removed."""
    return torch.where(removed, -torch.inf, scores)


def top_k_and_p(scores: torch.Tensor, k: torch.Tensor, rest: torch.Tensor) -> torch.Tensor:
    """The `k` likeliest tokens, and of these the likeliest but for a `rest` of probability, if it isn't 0.

    Scores have the shape (rows, vocabulary), `k` and `rest` (rows, 1).
    """
    k = k.long().clamp(max=scores.shape[-1])
    values = scores.topk(int(k.max())).values
    last = values.gather(-1, k - 1)
    cut, parted = _cut(scores, values, k, last, rest) if bool(rest.any()) else (last, [])
    return on(parted, top_p, without(scores, scores < cut), rest)


def _cut(
    scores: torch.Tensor, values: torch.Tensor, k: torch.Tensor, last: torch.Tensor, rest: torch.Tensor
) -> tuple[torch.Tensor, list[int]]:
    """The least score that top-p keeps, shape (rows, 1); and the rows where it doesn't keep all that are as large.

    Of these the cut is top-k's. `values` are the largest scores of each row, descending, and `last` its k-th.
    """
    kept = (scores >= last.clamp(min=torch.finfo(scores.dtype).min)).sum(-1, keepdim=True).maximum(k)
    width = int(kept.max())  # of those that are as large as the last there may be more than `k`
    place = torch.arange(width, device=scores.device)
    values = torch.nn.functional.pad(values, (0, width - values.shape[-1]))
    values = without(torch.where(place < k, values, last), place >= kept)
    ascending = torch.full_like(scores, -torch.inf)  # of the vocabulary's length, by which a sum is rounded
    ascending[:, -width:] = values.flip(-1)
    shares = ascending.softmax(-1)[:, -width:].cumsum(-1)
    ascending = ascending[:, -width:]
    removed = (shares <= rest).sum(-1, keepdim=True).clamp(max=width - 1)
    cut, before = ascending.gather(-1, removed), ascending.gather(-1, (removed - 1).clamp(min=0))
    parted = (removed > 0) & (cut == before) & (rest > 0)
    return torch.where(parted | (rest == 0), last, cut), parted[:, 0].nonzero()[:, 0].tolist()


def top_p(scores: torch.Tensor, rest: torch.Tensor) -> torch.Tensor:
    """The likeliest tokens of all, but for a `rest` of probability."""
    values, ids = scores.sort()
    removed = values.softmax(-1).cumsum(-1) <= rest
    removed[:, -1] = False
    return without(scores, removed.scatter(-1, ids, removed))


def min_p(scores: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """The tokens with at least this share of the likeliest one's probability."""
    probabilities = scores.softmax(-1)
    return without(scores, probabilities < share * probabilities.amax(-1, keepdim=True))
