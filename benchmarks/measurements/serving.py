"""What is measured, and how: interleaved rounds for time and cost, one run each for bytes and for Stop."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from benchmarks.clients.byte_counter import wire
from benchmarks.clients.clients import Heard, ask
from benchmarks.systems.meter import CPU, DELAY, PEAK, STEPS
from benchmarks.systems.processes import Contestant, Load

SLOW = 0.05  # seconds that each step is held up while Stop is measured, so that a step outlasts the stop's own way


@dataclass(frozen=True)
class Row:
    """One app with so many visitors: medians over the rounds. Seconds, but for the last four."""

    app: str
    visitors: int
    first: float
    first_slowest: float
    gap_p95: float
    tokens_per_second: float
    cpu_per_1000_tokens: float
    kilobytes_per_1000_tokens: float
    steps_after_stop: int
    peak_megabytes: float

    def data(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True)
class Round:
    """One round with one app: every visitor's reply, and what they cost together."""

    heard: list[Heard]
    seconds: float
    tokens: int
    cpu: float


def rows(
    contestants: Sequence[Contestant], load: Load, crowds: Sequence[int], rounds: int, count: Callable[[str], int]
) -> list[Row]:
    """Measures all of them by turns, for each number of visitors; a first round with one visitor doesn't count."""
    for contestant in contestants:
        _round(contestant, load, 1, count)
    alone = {one.name: (_bytes_per_token(one, load, count), steps_after_stop(one, load)) for one in contestants}
    found = []
    for visitors in crowds:
        print(f"{visitors} at once", file=sys.stderr)
        taken: dict[str, list[Round]] = {contestant.name: [] for contestant in contestants}
        for _ in range(rounds):
            for contestant in contestants:
                taken[contestant.name].append(_round(contestant, load, visitors, count))
        found += [_row(one, visitors, taken[one.name], *alone[one.name]) for one in contestants]
    return found


def steps_after_stop(contestant: Contestant, load: Load) -> int:
    """Forward passes that begin after the server has acknowledged a Stop. Each pass is held up for `SLOW` seconds."""
    meter = contestant.meter
    meter[DELAY] = SLOW
    (visitor,) = contestant.visitors(1)
    begun = meter[STEPS]
    visitor.ask(load.message)
    while meter[STEPS] < begun + 5 or not visitor.text():
        if visitor.done():
            raise RuntimeError(f"{contestant.name}: the reply was over before it could be stopped")
        time.sleep(0.005)
    visitor.stop()
    stopped = meter[STEPS]
    time.sleep(4 * SLOW)
    meter[DELAY] = 0
    _settle(contestant)
    visitor.close()
    return int(meter[STEPS] - stopped)


def _round(contestant: Contestant, load: Load, visitors: int, count: Callable[[str], int]) -> Round:
    clients = contestant.visitors(visitors)
    cpu = _settle(contestant)
    started = time.perf_counter()
    heard = ask(clients, load.message)
    seconds = time.perf_counter() - started
    spent = _settle(contestant) - cpu
    for client in clients:
        client.close()
    return Round(heard, seconds, sum(count(seen.text) for seen in heard), spent)


def _row(contestant: Contestant, visitors: int, rounds: Sequence[Round], kilobytes: float, steps: int) -> Row:
    gaps = sorted(gap for one in rounds for seen in one.heard for gap in seen.gaps)
    return Row(
        app=contestant.name,
        visitors=visitors,
        first=statistics.median(seen.first for one in rounds for seen in one.heard),
        first_slowest=statistics.median(max(seen.first for seen in one.heard) for one in rounds),
        gap_p95=gaps[int(len(gaps) * 0.95)] if gaps else 0.0,
        tokens_per_second=statistics.median(one.tokens / one.seconds for one in rounds),
        cpu_per_1000_tokens=statistics.median(1000 * one.cpu / one.tokens for one in rounds),
        kilobytes_per_1000_tokens=kilobytes,
        steps_after_stop=steps,
        peak_megabytes=contestant.meter[PEAK],
    )


def _bytes_per_token(contestant: Contestant, load: Load, count: Callable[[str], int]) -> float:
    """Of one reply, which is kB per 1,000 tokens as well."""
    with wire(contestant.port) as counted:
        (visitor,) = contestant.visitors(1, counted.url)
        before = counted.bytes
        (heard,) = ask([visitor], load.message)
        sent = counted.bytes - before
        visitor.close()
    return sent / count(heard.text)


def _settle(contestant: Contestant) -> float:
    """Waits until the model rests and the numbers are up to date; the CPU seconds so far."""
    steps = -1.0
    while steps != contestant.meter[STEPS]:
        steps = contestant.meter[STEPS]
        time.sleep(0.3)
    return contestant.meter[CPU]
