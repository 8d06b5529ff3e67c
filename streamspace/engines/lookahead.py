"""Writes text that repeats what was before it, such as edited code, in fewer passes: by prompt lookup.

What has followed the last few tokens before is tried in one pass with them, and kept as far as the model chooses the
same. Each token is chosen as `generate` chooses it, one after the other, by the scores after those before it; so the
text is the one that `generate` writes, as far as a model's scores don't depend on how many tokens share a pass.

Source: Saxena, Prompt Lookup Decoding, 2023; verification as in Leviathan et al., arXiv 2211.17192, for guesses that
are certain.
"""

from __future__ import annotations

import inspect
import statistics
import time
from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache

from streamspace.engines.kept import is_divisible

GRAM = 3  # tokens that have to be the same before
FIRST = 4  # tokens that are tried first
TRIED = 8  # tokens beside the last one in the pass by which the price is measured
LENT = (
    0.05  # the price on a card that only a reply gets, so that it can't be measured: most of a pass reads the weights
)
STAKE = 1.0  # passes that wrong guesses may cost a reply
SHARE = 0.02  # and those of them for each token that is written


def is_possible(model: Any) -> bool:
    """Whether tokens that may be wrong can share a pass, and be cut off. Asked late: some configs raise."""
    return "logits_to_keep" in inspect.signature(model.forward).parameters and is_divisible(model)


def price(model: Any, rounds: int = 5) -> float:
    """What each token more makes a pass longer, in passes of a single token: a median, measured on this machine."""
    tokens = torch.zeros((1, 1 + TRIED), dtype=torch.long, device=model.device)
    took: dict[int, list[float]] = {1: [], 1 + TRIED: []}
    with torch.inference_mode():
        cache: Any = DynamicCache(config=model.config)
        cache.activate_past_recording()
        model(input_ids=tokens.repeat(1, 8), past_key_values=cache, use_cache=True, logits_to_keep=1)
        length = cache.get_seq_length()
        for _ in range(rounds):
            for count, times in took.items():
                began = time.perf_counter()
                found = model(input_ids=tokens[:, :count], past_key_values=cache, use_cache=True, logits_to_keep=count)
                found.logits.cpu()  # waits for a GPU
                times.append(time.perf_counter() - began)
                cache.crop(length - cache.get_seq_length())
    one, several = (statistics.median(times) for times in took.values())
    return max(several / one - 1, 0.0) / TRIED


class Lookup:
    """What may come next in a text: what has come after its last tokens the last time they were there."""

    def __init__(self, ids: Sequence[int]) -> None:
        self._ids: list[int] = []
        self._after: dict[tuple[int, ...], int] = {}  # where the text goes on after these tokens
        for token in ids:
            self.add(token)

    def add(self, token: int) -> None:
        """The next token of the text."""
        if len(self._ids) >= GRAM:
            self._after[tuple(self._ids[-GRAM:])] = len(self._ids)
        self._ids.append(token)

    def ahead(self, most: int) -> list[int]:
        """At most so many tokens that may come; often none."""
        at = self._after.get(tuple(self._ids[-GRAM:]), len(self._ids))
        return self._ids[at : at + most]


class Lookahead:
    """The decoding of one reply, for `generate`; `streamer` takes each token. At most `most` tokens are tried at once.

    After guesses that were right more are tried. What wrong ones cost by the `price` of each is bounded: then none are
    tried until enough has been written.
    """

    def __init__(self, streamer: Any, most: int, price: float) -> None:
        self._streamer = streamer
        self._most = most
        self._price = price
        self._now = min(FIRST, most)
        self._won = STAKE  # passes

    def decode(
        self,
        model: Any,
        input_ids: torch.Tensor,
        logits_processor: Any,
        stopping_criteria: Any,
        generation_config: Any,
        **others: Any,
    ) -> torch.Tensor:
        """The prompt and the reply, shape (1, length); the cache may hold the beginning of the prompt."""
        cache = others["past_key_values"]
        cache.activate_past_recording()  # sliding windows give up what is before them when they are cut, not earlier
        self._streamer.put(input_ids)
        lookup = Lookup(input_ids[0].tolist())
        ahead: list[int] = []
        length = input_ids.shape[1]
        while True:
            tried = torch.cat([input_ids, input_ids.new_tensor([ahead])], -1) if ahead else input_ids
            scores = model(
                input_ids=tried[:, cache.get_seq_length() :],
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=len(ahead) + 1,
            ).logits.float()
            if input_ids.shape[1] == length:  # the prompt is read, and may be kept so
                cache.crop(0)
            right = 0
            try:
                for place in range(len(ahead) + 1):
                    token = _chosen(logits_processor(input_ids, scores[:, place].clone()), generation_config.do_sample)
                    input_ids = torch.cat([input_ids, token], -1)
                    lookup.add(int(token))
                    self._streamer.put(token[0])
                    if ahead[place:] and int(token) != ahead[place]:
                        break
                    right += 1
            finally:  # also when the reply has ended, since the cache may be kept
                cache.crop(min(input_ids.shape[1] - 1 - cache.get_seq_length(), 0))
            if bool(stopping_criteria(input_ids, None).all()):
                self._streamer.end()
                return input_ids
            self._learn(len(ahead), min(right, len(ahead)))
            room = generation_config.max_length - input_ids.shape[1] - 1
            ahead = lookup.ahead(min(self._now, room)) if self._won > 0 else []

    def _learn(self, tried: int, right: int) -> None:
        """How many were tried in the last pass, and how many of them right."""
        self._won += right - tried * self._price + SHARE * (1 + right)
        if tried:
            self._now = min(self._now * 2 if right == tried else max(right + 1, FIRST), self._most)


def _chosen(scores: torch.Tensor, sampled: bool) -> torch.Tensor:
    """The next token, shape (1, 1), from scores of shape (1, vocabulary)."""
    return torch.multinomial(scores.softmax(-1), 1) if sampled else scores.argmax(-1, keepdim=True)
