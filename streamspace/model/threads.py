"""Chooses the number of threads for a forward pass on the CPU: fewer than all cores where that is faster.

Threads that share a layer wait for each other at its end. In small layers the wait costs more than the parallelism
saves: docs/decisions/0007-cpu-threads.md has the figures.
"""

from __future__ import annotations

import logging
import math
import time
from bisect import bisect_right
from typing import Any

import torch

from streamspace import switches
from streamspace.model.cores import cores

log = logging.getLogger(__name__)
SIZES = (1, 8)  # tokens in a pass: decoding one reply, or several in a batch
PROMPT = 32  # a pass of this many tokens or more counts as prefill, and uses all threads
ROUNDS = 10
PAUSE = 0.02  # seconds between rounds, in which the scheduler can separate threads that share a core
LONG = 0.1  # seconds; in a longer pass, the wait is negligible
GIVE_UP_RATIO = 2.0  # times the minimum so far, above which a number of threads isn't timed again
TIE_RATIO = 1.1  # times the minimum, within which fewer threads are preferred: the other cores stay free


def limit() -> None:
    """Limits torch's threads to the container's cores, which torch doesn't detect."""
    number, reason = cores()
    if number < torch.get_num_threads():
        torch.set_num_threads(number)
        log.info("Threads: %d, since %s", number, reason)


def tune(model: Any) -> None:
    """Times small passes with fewer threads, and uses the fastest number for passes of that size from then on.

    Takes a second or two. The number stays the same while the process runs: another one rounds differently.
    """
    if not switches.is_on("threads"):
        return
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
    """The smallest number of threads, up to `all_cores`, within TIE_RATIO of the minimum time for such a pass."""
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
    model(ids, use_cache=False)  # the first pass after a change takes longer
    started = time.perf_counter()
    model(ids, use_cache=False)
    return time.perf_counter() - started
