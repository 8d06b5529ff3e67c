"""How many threads compute a pass on the CPU: all that the container has, or fewer where those are done sooner.

Threads that share a layer wait for each other at its end. Where layers are small, the waiting costs more than the
sharing saves: docs/decisions/threads-that-wait-briefly.md has the figures.
"""

from __future__ import annotations

import logging
import math
import time
from bisect import bisect_right
from typing import Any

import torch

from streamspace.model import cores

log = logging.getLogger(__name__)
SIZES = (1, 8)  # tokens in a pass: one reply that is being written, several in a batch
PROMPT = 32  # tokens from which on a pass is taken for a prompt's, which all threads share
ROUNDS = 10
PAUSE = 0.02  # seconds between rounds: threads that share one core for a while, by the system's choice, part again
LONG = 0.1  # seconds; in a pass that takes longer, the waiting is lost among the work
GIVE_UP_RATIO = 2.0  # times the least so far, from which on a number of threads isn't tried again
TIE_RATIO = 1.1  # times the least of all, up to which fewer threads are preferred: they leave cores to everything else


def limit() -> None:
    """Keeps torch from starting more threads than the container has cores, which it doesn't see."""
    number, reason = cores.count()
    if number < torch.get_num_threads():
        torch.set_num_threads(number)
        log.info("Threads: %d, since %s", number, reason)


def tune(model: Any) -> None:
    """Times small passes with fewer threads, and from now on lets the quickest number compute passes of their size.

    Takes a second or two. The same number for the whole life of the model: another one rounds differently.
    """
    all_cores = torch.get_num_threads()
    quickest = [_quickest(model, size, all_cores) for size in SIZES]
    if all(number == all_cores for number in quickest):
        return
    log.info("Threads: %s by tokens in a pass", dict(zip((*SIZES, PROMPT), (*quickest, all_cores), strict=True)))
    model.register_forward_pre_hook(ThreadCountHook(quickest, all_cores), with_kwargs=True)


class ThreadCountHook:
    """Called before each pass."""

    def __init__(self, quickest: list[int], all_cores: int) -> None:
        self._numbers = [*quickest, all_cores]

    def __call__(self, _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        ids = kwargs.get("input_ids", args[0] if args else None)
        size = ids.numel() if ids is not None else PROMPT
        torch.set_num_threads(self._numbers[bisect_right((*SIZES[1:], PROMPT), size)])


def _quickest(model: Any, size: int, all_cores: int) -> int:
    """The fewest threads, at most `all_cores`, with which a pass of so many tokens takes about the least time."""
    least = {all_cores: _seconds(model, size, all_cores)}
    fewer = [number for number in (32, 16, 8, 4, 2, 1) if number < all_cores and least[all_cores] <= LONG]
    for _ in range(ROUNDS if fewer else 0):
        for number in (all_cores, *fewer):
            least[number] = min(_seconds(model, size, number), least.get(number, math.inf))
        fewer = [number for number in fewer if least[number] < GIVE_UP_RATIO * min(least.values())]
        time.sleep(PAUSE)
    torch.set_num_threads(all_cores)
    return min(number for number in least if least[number] <= TIE_RATIO * min(least.values()))


@torch.inference_mode()
def _seconds(model: Any, size: int, number: int) -> float:
    torch.set_num_threads(number)
    ids = torch.zeros(1, size, dtype=torch.long)
    model(ids, use_cache=False)  # the first pass after another number takes longer
    started = time.perf_counter()
    model(ids, use_cache=False)
    return time.perf_counter() - started
