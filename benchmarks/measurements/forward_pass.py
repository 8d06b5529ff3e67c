"""Measures a forward pass by its tokens, number format and threads, and against the time of reading the weights."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.measurements.in_process import alone, load

FORMATS = {"float32": ("float32", "none"), "bfloat16": ("bfloat16", "none"), "int8": ("float32", "int8")}
SIZES = (1, 8, 64, 256)


@dataclass(frozen=True)
class Pass:
    """One number format and number of threads: milliseconds by tokens, and those of reading the weights from memory."""

    name: str
    threads: int
    milliseconds: dict[int, float]
    reading: float


def passes(model: str, rounds: int) -> list[Pass]:
    """Medians over interleaved rounds."""
    return alone(_passes, model, rounds)


def _passes(model: str, rounds: int) -> list[Pass]:
    models = {name: load(model, *settings).model for name, settings in FORMATS.items()}
    import torch

    all_cores = torch.get_num_threads()
    times: dict[tuple[str, int, int], list[float]] = {}
    with torch.inference_mode():
        for number in range(rounds + 1):
            for name, each in models.items():
                for threads in sorted({1, all_cores}):
                    torch.set_num_threads(threads)
                    for size in SIZES:
                        taken = _time(each, torch.zeros(1, size, dtype=torch.long))
                        if number:
                            times.setdefault((name, threads, size), []).append(taken)
    speed = _memory_speed()
    return [
        Pass(
            name, threads,
            {size: 1000 * statistics.median(times[name, threads, size]) for size in SIZES},
            1000 * _bytes(models[name]) / speed,
        )
        for name in FORMATS for threads in sorted({1, all_cores})
    ]  # fmt: skip


def _time(model: Any, ids: Any) -> float:
    started = time.perf_counter()
    model(ids, use_cache=False, logits_to_keep=1)
    return time.perf_counter() - started


def _bytes(model: Any) -> float:
    """What a pass of one token reads: all weights except the embeddings, of which it reads one row."""
    table = model.get_input_embeddings().weight
    whole = sum(_size(tensor) for tensor in model.state_dict().values())
    return whole - _size(table)


def _size(tensor: Any) -> float:
    import torch

    if isinstance(tensor, torch.Tensor):
        return tensor.numel() * tensor.element_size()
    return sum(_size(each) for each in tensor) if isinstance(tensor, tuple) else 0.0


def _memory_speed() -> float:
    """Bytes per second that all threads read together: the maximum of ten runs over 512 MB."""
    import torch

    block = torch.ones(128 * 1024**2)
    taken = []
    for _ in range(10):
        started = time.perf_counter()
        block.sum()
        taken.append(time.perf_counter() - started)
    return block.numel() * 4 / min(taken)


def lines(passes: Sequence[Pass]) -> str:
    """As a Markdown table."""
    head = "| ms a pass | threads | " + " | ".join(f"{size} token{'s' * (size > 1)}" for size in SIZES)
    rows = [
        f"| {each.name} | {each.threads} | " + " | ".join(f"{each.milliseconds[size]:.1f}" for size in SIZES)
        + f" | {each.reading:.1f} |"
        for each in passes
    ]  # fmt: skip
    return "\n".join([head + " | reading the weights |", "| --- " + "| ---: " * (len(SIZES) + 2) + "|", *rows])
