"""Measures the systems under concurrent clients: time and cost in interleaved rounds, bytes and Stop once each."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

from benchmarks.clients.byte_counter import count_bytes
from benchmarks.clients.clients import Timing, replies
from benchmarks.systems.meter import CPU, DELAY, PASSES, PEAK
from benchmarks.systems.processes import LLAMA, Load, System

PASS_DELAY = 0.05  # seconds added to each pass while Stop is measured, so that a pass outlasts the request to stop

Count = Callable[[str], int]  # the number of tokens of a text


@dataclass(frozen=True)
class Row:
    """One system at one concurrency: medians over the rounds, times in seconds; `spread` has minimum and maximum."""

    system: str
    weights: str
    concurrency: int
    first_token: float
    first_token_slowest: float
    gap_p95: float
    tokens_per_second: float
    cpu_per_1000_tokens: float
    kilobytes_per_1000_tokens: float
    passes_after_stop: int | None
    peak_megabytes: float
    spread: dict[str, tuple[float, float]] = field(default_factory=dict)

    def data(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True)
class Round:
    """One round with one system: the replies to all clients, and their cost together."""

    timings: list[Timing]
    seconds: float
    tokens: int
    cpu: float

    def figures(self) -> dict[str, float]:
        """What is compared between rounds, by the names of Row's fields."""
        first = [timing.first_token for timing in self.timings]
        return {
            "first_token": statistics.median(first),
            "first_token_slowest": max(first),
            "tokens_per_second": self.tokens / self.seconds,
            "cpu_per_1000_tokens": 1000 * self.cpu / self.tokens,
        }


def rows(systems: Sequence[System], load: Load, concurrencies: Sequence[int], rounds: int, count: Count) -> list[Row]:
    """Measures all systems in turn at each concurrency, after a warm-up round with one client."""
    for system in systems:
        _round(system, load, 1, count)
    once = {system.name: (_bytes_per_token(system, load, count), passes_after_stop(system, load)) for system in systems}
    found = []
    for concurrency in concurrencies:
        print(f"concurrency {concurrency}", file=sys.stderr)
        taken: dict[str, list[Round]] = {system.name: [] for system in systems}
        for _ in range(rounds):
            for system in systems:
                taken[system.name].append(_round(system, load, concurrency, count))
        found += [_row(system, concurrency, taken[system.name], *once[system.name]) for system in systems]
    return found


def passes_after_stop(system: System, load: Load) -> int | None:
    """Forward passes that begin after the server has acknowledged a Stop, while each is delayed by PASS_DELAY.

    None where no pass is counted.
    """
    if system.name == LLAMA:
        return None
    meter = system.meter
    meter[DELAY] = PASS_DELAY
    (client,) = system.clients(1)
    begun = meter[PASSES]
    client.send(load.message)
    while meter[PASSES] < begun + 5 or not client.text():
        if client.done():
            raise RuntimeError(f"{system.name}: the reply was complete before it could be stopped")
        time.sleep(0.005)
    client.stop()
    stopped = meter[PASSES]
    time.sleep(4 * PASS_DELAY)
    meter[DELAY] = 0
    _wait_until_idle(system)
    client.close()
    return int(meter[PASSES] - stopped)


def _round(system: System, load: Load, concurrency: int, count: Count) -> Round:
    clients = system.clients(concurrency)
    cpu = _wait_until_idle(system)
    started = time.perf_counter()
    timings = replies(clients, load.message)
    seconds = time.perf_counter() - started
    spent = _wait_until_idle(system) - cpu
    for client in clients:
        client.close()
    return Round(timings, seconds, sum(count(timing.text) for timing in timings), spent)


def _row(system: System, concurrency: int, rounds: Sequence[Round], kilobytes: float, passes: int | None) -> Row:
    gaps = sorted(gap for each in rounds for timing in each.timings for gap in timing.gaps)
    figures = [each.figures() for each in rounds]
    values = {name: [each[name] for each in figures] for name in figures[0]}
    return Row(
        system=system.name,
        weights=system.weights,
        concurrency=concurrency,
        gap_p95=gaps[int(len(gaps) * 0.95)] if gaps else 0.0,
        kilobytes_per_1000_tokens=kilobytes,
        passes_after_stop=passes,
        peak_megabytes=system.meter[PEAK],
        spread={name: (min(each), max(each)) for name, each in values.items()},
        **{name: statistics.median(each) for name, each in values.items()},
    )


def _bytes_per_token(system: System, load: Load, count: Count) -> float:
    """Of one reply; kB per 1,000 tokens is the same number."""
    with count_bytes(system.port) as counter:
        (client,) = system.clients(1, counter.url)
        before = counter.bytes
        (timing,) = replies([client], load.message)
        sent = counter.bytes - before
        client.close()
    return sent / count(timing.text)


def _wait_until_idle(system: System) -> float:
    """Waits until no pass begins and the meter is up to date; returns the CPU seconds so far."""
    passes = -1.0
    while passes != system.meter[PASSES]:
        passes = system.meter[PASSES]
        time.sleep(0.3)
    return system.meter[CPU]
