"""Measures how long each turn of a conversation waits for its first token: with what was read kept, and without."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

from benchmarks.measurements.in_process import alone, load

FIRST, MORE, ANSWER = 1500, 50, 32  # tokens of the first question, of each later one, and of each answer
TURNS = 4


def seconds(model: str, rounds: int) -> dict[str, list[float]]:
    """The median seconds to the first token of each turn, by engine, in interleaved rounds."""
    found: dict[str, list[list[float]]] = {}
    loaded = alone(load, model)
    for number in range(rounds + 1):
        for name, make in _engines(loaded).items():
            waits = alone(_conversation, make)
            if number:
                found.setdefault(name, []).append(waits)
    return {name: [statistics.median(turn) for turn in zip(*waits, strict=True)] for name, waits in found.items()}


def _engines(loaded: Any) -> dict[str, Callable[[], Any]]:
    from streamspace.engines.batching import BatchingEngine
    from streamspace.engines.generate import GenerateEngine

    model, tokenizer = loaded.model, loaded.tokenizer
    longest = FIRST + TURNS * (MORE + ANSWER)
    return {
        "`generate`, nothing kept": lambda: GenerateEngine(model, tokenizer),
        "`generate`": lambda: GenerateEngine(model, tokenizer, cache_megabytes=1000),
        "`batching`": lambda: BatchingEngine(model, tokenizer, 1, longest),
    }


def _conversation(make: Callable[[], Any]) -> list[float]:
    from streamspace.events import Request
    from streamspace.sampling import SamplingParams

    chosen, prompt, waits = SamplingParams(max_new_tokens=ANSWER, temperature=0, seed=0), list(range(3, 3 + FIRST)), []
    with closing(make()) as engine:
        for turn in range(TURNS):
            *_, end = engine.stream(Request(tuple(prompt), chosen, visitor="a"), threading.Event())
            waits.append(end.time_to_first_token)
            # The answer's ids aren't in the events; another answer of as many tokens costs both engines the same.
            prompt += [7 + turn] * (ANSWER + MORE)
    return waits


def lines(seconds: dict[str, list[float]]) -> str:
    """As a Markdown table, which also says how the last turn compares with the first engine's."""
    first = next(iter(seconds.values()))[-1]
    turns = " | ".join(f"turn {at + 1}" for at in range(TURNS))
    head = f"| first token: {FIRST} tokens, then {MORE} a turn | {turns} | last turn, of nothing kept |"
    rows = [
        f"| {name} | {' | '.join(f'{wait:.2f} s' for wait in waits)} | {waits[-1] / first:.2f} |"
        for name, waits in seconds.items()
    ]
    return "\n".join([head, f"| --- |{' ---: |' * (TURNS + 1)}", *rows])
