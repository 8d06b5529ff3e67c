"""Measures a forward pass by its tokens, number format and threads."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from typing import Any

from benchmarks.measurements.in_process import alone, load
from benchmarks.report.tables import table

FORMATS = {"float32": ("float32", "none"), "bfloat16": ("bfloat16", "none"), "int8": ("float32", "int8")}
SIZES = (1, 8, 64, 256)
Passes = dict[tuple[str, int], list[float]]


def passes(model: str, rounds: int) -> Passes:
    """By number format and threads, the milliseconds for each of SIZES: medians over interleaved rounds."""
    return alone(_passes, model, rounds)


def _passes(model: str, rounds: int) -> Passes:
    models = {name: load(model, *settings).model for name, settings in FORMATS.items()}
    import torch

    all_cores = torch.get_num_threads()
    times: dict[tuple[str, int], list[list[float]]] = {}
    with torch.inference_mode():
        for _ in range(rounds + 1):
            for name, each in models.items():
                for threads in sorted({1, all_cores}):
                    torch.set_num_threads(threads)
                    taken = [_milliseconds(each, torch.zeros(1, size, dtype=torch.long)) for size in SIZES]
                    times.setdefault((name, threads), []).append(taken)
    return {key: [statistics.median(sizes) for sizes in zip(*each[1:], strict=True)] for key, each in times.items()}


def _milliseconds(model: Any, ids: Any) -> float:
    started = time.perf_counter()
    model(ids, use_cache=False, logits_to_keep=1)
    return 1000 * (time.perf_counter() - started)


def lines(passes: Mapping[tuple[str, int], list[float]]) -> str:
    """As a Markdown table."""
    head = ["ms a pass", "threads", *(f"{size} token{'s' * (size > 1)}" for size in SIZES)]
    return table(
        [head, *([name, str(threads), *(f"{each:.1f}" for each in found)] for (name, threads), found in passes.items())]
    )
