"""Simulates clients, a queue and a batch: the time to first token by the number of requests an hour.

python -m benchmarks.measurements.simulation RESULTS.json

RESULTS.json is a record of `python -m benchmarks --full --visitors 1 16`: passes take as long as its first model's.
"""

from __future__ import annotations

import heapq
import itertools
import json
import math
import random
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import tables
from benchmarks.report.plot import lines

PLOT = Path(__file__).parents[2] / "docs/scaling.svg"
TOKENS = 250  # mean length of a reply
REQUESTS = 600  # simulated for each load
LOADS = [30, 60, 120, 240, 480, 960, 1920, 3840, 7680]  # requests an hour
THOUSAND = 20_000  # requests an hour of a thousand visitors who each ask every three minutes
TARGET = 5.0  # seconds that the 95th percentile should stay below


@dataclass(frozen=True)
class Engine:
    """An engine on a machine: its largest batch, the seconds of a pass for one reply, and those of each further one."""

    name: str
    batch: int
    single: float
    further: float

    def seconds(self, replies: int) -> float:
        return self.single + self.further * (replies - 1)


def waits(engine: Engine, per_hour: float, seed: int = 0, machines: int = 1, requests: int = REQUESTS) -> list[float]:
    """Each request's time to first token, in seconds, from one queue for all machines.

    Intervals and lengths are distributed exponentially.
    """
    rng = random.Random(seed)
    queue = deque(itertools.accumulate(rng.expovariate(per_hour / 3600) for _ in range(requests)))
    running: list[list[int]] = [[] for _ in range(machines)]  # remaining tokens of each reply in each batch
    due = [(0.0, machine) for machine in range(machines)]  # when each can begin its next pass
    found: list[float] = []
    while due:
        now, machine = heapq.heappop(due)
        batch, new = running[machine], []
        while queue and queue[0] <= now and len(batch) < engine.batch:
            new.append(queue.popleft())
            batch.append(max(1, round(rng.expovariate(1 / TOKENS))))
        if batch:
            now += engine.seconds(len(batch))
            found += [now - requested for requested in new]
            running[machine] = [left - 1 for left in batch if left > 1]
            heapq.heappush(due, (now, machine))
        elif queue:
            heapq.heappush(due, (queue[0], machine))
    return found


def erlang_wait(engine: Engine, per_hour: float) -> float:
    """The mean time to first token by Erlang's formula for M/M/c, where a pass takes as long for many as for one.

    Source: any textbook, such as Kleinrock, Queueing Systems I, 1975, section 3.5.
    """
    arrivals, service, places = per_hour / 3600, TOKENS * engine.single, engine.batch
    offered = arrivals * service
    blocked = 1.0  # Erlang B, by its recursion
    for place in range(1, places + 1):
        blocked = offered * blocked / (place + offered * blocked)
    waiting = blocked / (1 - offered / places * (1 - blocked))
    return waiting * service / (places - offered) + engine.single


def machines_needed(engine: Engine, per_hour: float) -> int:
    """How many machines keep the 95th percentile below the target."""
    least = math.ceil(per_hour / 3600 * TOKENS * engine.seconds(engine.batch) / engine.batch)
    return next(number for number in itertools.count(least) if percentile(engine, per_hour, number) < TARGET)


def engines(results: Path) -> list[Engine]:
    """The engines as measured: a pass takes visitors over tokens/s, for one visitor and for the most there were."""
    record = json.loads(results.read_text("utf-8"))
    speeds = {number: tables.speeds(record["models"][0], number) for number in record["visitors"]}
    found = []
    for name in (name for name in speeds[1] if name.startswith(("generate", "batching"))):
        batch = 1 if name == "generate" else max(speeds)
        single = 1 / speeds[1][name]
        found.append(Engine(name, batch, single, (batch / speeds[batch][name] - single) / max(batch - 1, 1)))
    return found


def percentile(engine: Engine, per_hour: float, machines: int = 1) -> float:
    """The 95th percentile of the time to first token."""
    return sorted(waits(engine, per_hour, machines=machines, requests=REQUESTS * machines))[
        int(REQUESTS * machines * 0.95)
    ]


def table(found: dict[str, list[float]]) -> str:
    """The 95th percentiles by load, as a Markdown table."""
    rows = ["| requests an hour | " + " | ".join(found) + " |", "| ---: |" + " ---: |" * len(found)]
    for index, load in enumerate(LOADS):
        rows.append(f"| {load:,} | " + " | ".join(f"{each[index]:,.1f} s" for each in found.values()) + " |")
    return "\n".join(rows)


def plot(found: dict[str, list[float]]) -> str:
    """The same as SVG, with logarithmic axes: each load is twice the one before."""
    levels = {seconds: f"{seconds:g} s" for seconds in (0.01, 0.1, 1, 10, 100, 1000, 10_000)}
    return lines("requests an hour", [f"{load:,}" for load in LOADS], found, levels, _height, mark=TARGET)


def _height(seconds: float) -> float:
    return math.log10(min(max(seconds, 0.01), 10_000) / 0.01) / 6


def main(arguments: Sequence[str]) -> int:
    """Prints the table, and writes the plot."""
    measured = engines(Path(arguments[0]))
    found = {engine.name: [percentile(engine, load) for load in LOADS] for engine in measured}
    print(table(found))
    print(f"\nMachines for {THOUSAND:,} requests an hour: ", end="")
    print(", ".join(f"{engine.name} {machines_needed(engine, THOUSAND)}" for engine in measured))
    PLOT.write_text(plot(found), "utf-8")
    print(f"\nThe plot is in {PLOT.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
