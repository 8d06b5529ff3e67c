"""Keeps what a model has read of conversations, so that a conversation's next turn reads its new tokens alone.

It is found by the token ids themselves, and only for the visitor it was read for: how fast a reply begins would tell
another one what has been asked before.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from transformers import DynamicCache
from transformers.cache_utils import DummyLayer, DynamicLayer, DynamicSlidingWindowLayer

from streamspace.engines.compatibility import takes_positions
from streamspace.engines.transformers_internals import takes_dynamic_cache

MEGABYTE = 10**6
UNEVEN = ("moshi",)  # model types that read a prompt without the sliding window that they write with
LAYERS = (DynamicLayer, DynamicSlidingWindowLayer, DummyLayer)  # others hold more than keys and values of tokens


@dataclass(frozen=True)
class Kept:
    """A key/value cache, the token ids that it was computed from, and the visitor for whom."""

    visitor: str
    ids: tuple[int, ...]
    cache: Any

    @property
    def bytes(self) -> int:
        """The size of its tensors."""
        tensors = [tensor for layer in self.cache.layers for tensor in (layer.keys, layer.values) if tensor is not None]
        return sum(each.numel() * each.element_size() for each in tensors)


class Reading:
    """A cache during a reply. What is in its sliding windows when the prompt has been read can't be had back later.

    The next turn may need it: it has another reply than was written where a template drops thoughts.
    """

    def __init__(self, cache: DynamicCache) -> None:
        self.cache = cache
        self.windows: dict[int, Any] = {}

    def prompt_is_read(self) -> None:
        """Called at the first token."""
        layers = enumerate(self.cache.layers)
        self.windows = {at: copy.copy(each) for at, each in layers if isinstance(each, DynamicSlidingWindowLayer)}


class KeptCaches:
    """The caches of a model's last conversations, `limit` bytes in all at most; the least recently used go first.

    It isn't safe for threads: who writes a reply has it alone.
    """

    def __init__(self, model: Any, limit: int) -> None:
        self._model = model
        self._limit = limit
        self._kept: list[Kept] = []  # the most recently used last

    def begin(self, visitor: str, prompt: tuple[int, ...]) -> Reading | None:
        """A cache for a reply to this prompt, which holds as much of its beginning as has been read for the visitor.

        One token at least is left to read. None where nothing would be kept of it.
        """
        if not visitor or not self._limit or not self._possible:
            return None
        usable = [(_usable(each, prompt), each) for each in self._kept if each.visitor == visitor]
        length, best = max(usable, key=lambda pair: pair[0], default=(0, None))
        if not best or not length:
            return Reading(DynamicCache(config=self._model.config))
        self._kept.remove(best)
        if length == len(best.ids):
            return Reading(best.cache)
        self._kept.append(best)  # another answer to the same question is a branch, and the first may be gone on with
        return Reading(_cut(best.cache, len(best.ids) - length))

    def keep(self, visitor: str, prompt: tuple[int, ...], written: Sequence[int], reading: Reading) -> None:
        """Takes back the cache of a reply, with the ids of the prompt and of what was written."""
        cache = reading.cache
        ids = (*prompt, *written)[: cache.get_seq_length()]
        self._kept = [each for each in self._kept if each.visitor != visitor or each.ids != ids[: len(each.ids)]]
        if reading.windows and len(ids) > len(prompt):
            self._kept.append(Kept(visitor, prompt, _cut(cache, len(ids) - len(prompt), reading.windows)))
        self._kept.append(Kept(visitor, ids, cache))
        while sum(each.bytes for each in self._kept) > self._limit:
            del self._kept[0]

    def clear(self) -> bool:
        """Gives the memory back; whether there was any."""
        had, self._kept = bool(self._kept), []
        return had

    @functools.cached_property
    def _possible(self) -> bool:
        return is_divisible(self._model)


def is_divisible(model: Any) -> bool:
    """Whether a text can be read in any passes: its tokens see none after them, and the cache is of layers we know.

    Asked late: some configs raise.
    """
    if model.config.model_type in UNEVEN or not takes_positions(model) or not takes_dynamic_cache(model):
        return False
    causal = all(getattr(part, "is_causal", True) for part in model.get_decoder().modules())
    return causal and all(type(layer) in LAYERS for layer in DynamicCache(config=model.config).layers)


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many token ids two texts begin with that are the same."""
    most = min(len(one), len(other))
    return next((at for at in range(most) if one[at] != other[at]), most)


def _usable(kept: Kept, prompt: tuple[int, ...]) -> int:
    """How many tokens of a cache are the prompt's beginning, where the cache can be cut back to them."""
    same = common(kept.ids, prompt[:-1])
    windows = [layer.sliding_window for layer in kept.cache.layers if isinstance(layer, DynamicSlidingWindowLayer)]
    slid = any(len(kept.ids) >= window for window in windows)
    return 0 if slid and same < len(kept.ids) else same


def _cut(cache: DynamicCache, tokens: int, windows: Mapping[int, Any] = MappingProxyType({})) -> DynamicCache:
    """A cache without the last tokens; the given one stays as it is, and they share memory until more is written.

    `windows` are layers, by their number, as they were then.
    """
    shorter: Any = copy.copy(cache)
    shorter.layers = [copy.copy(windows.get(number, layer)) for number, layer in enumerate(cache.layers)]
    for number, layer in enumerate(shorter.layers):
        if number not in windows:
            layer.crop(-tokens)
    return shorter
