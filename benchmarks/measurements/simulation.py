"""Simulates visitors, a queue and a batch: how long a visitor waits for the first token, at how many questions an hour.

python -m benchmarks.measurements.simulation RESULTS.json

RESULTS.json holds the figures of a run of `python -m benchmarks --full`, from which the passes' times are taken.
"""

from __future__ import annotations

import json
import math
import random
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report.plot import lines

PLOT = Path(__file__).parents[2] / "docs/scaling.svg"
TOKENS = 250  # of a reply, on average
QUESTIONS = 600  # simulated for each load
LOADS = [30, 60, 120, 240, 480, 960, 1920, 3840, 7680]  # questions an hour
PATIENCE = 5.0  # seconds of waiting that 95 of 100 visitors should not exceed


@dataclass(frozen=True)
class Server:
    """An engine on a machine: replies at once, seconds of a pass, and how many more for each further reply in it."""

    name: str
    places: int
    alone: float
    each: float

    def seconds(self, replies: int) -> float:
        return self.alone + self.each * (replies - 1)


def waits(server: Server, per_hour: float, seed: int = 0) -> list[float]:
    """Seconds from each question to its first token. Questions come at random, as do the replies' lengths."""
    dice = random.Random(seed)
    now, arrival = 0.0, 0.0
    coming: deque[float] = deque()
    for _ in range(QUESTIONS):
        arrival += dice.expovariate(per_hour / 3600)
        coming.append(arrival)
    writing: list[int] = []  # tokens that each reply still has to come
    found: list[float] = []
    while coming or writing:
        if not writing:
            now = max(now, coming[0])
        new = []
        while coming and coming[0] <= now and len(writing) < server.places:
            new.append(coming.popleft())
            writing.append(max(1, round(dice.expovariate(1 / TOKENS))))
        now += server.seconds(len(writing))
        found += [now - asked for asked in new]
        writing = [left - 1 for left in writing if left > 1]
    return found


def servers(results: Path) -> list[Server]:
    """The engines as measured: a pass's time is visitors over tokens/s, alone and with the most visitors."""
    rows = json.loads(results.read_text("utf-8"))["rows"]
    found = []
    for name in dict.fromkeys(row["app"] for row in rows if row["app"] not in ("naive", "transformers serve")):
        speeds = {row["visitors"]: row["tokens_per_second"] for row in rows if row["app"] == name}
        most = 1 if name.startswith("generate") else max(speeds)
        alone = 1 / speeds[1]
        found.append(Server(name, most, alone, (most / speeds[most] - alone) / max(most - 1, 1)))
    return found


def late(server: Server, per_hour: float) -> float:
    """The wait that 95 of 100 stay below."""
    return sorted(waits(server, per_hour))[int(QUESTIONS * 0.95)]


def table(found: dict[str, list[float]]) -> str:
    """As Markdown: the 95th percentile of the wait by load."""
    rows = ["| questions an hour | " + " | ".join(found) + " |", "| ---: |" + " ---: |" * len(found)]
    for index, load in enumerate(LOADS):
        rows.append(f"| {load:,} | " + " | ".join(f"{each[index]:,.1f} s" for each in found.values()) + " |")
    return "\n".join(rows)


def plot(found: dict[str, list[float]]) -> str:
    """As SVG, both axes logarithmic: the loads double from one to the next."""
    levels = {seconds: f"{seconds:g} s" for seconds in (0.01, 0.1, 1, 10, 100, 1000, 10_000)}
    return lines("questions an hour", [f"{load:,}" for load in LOADS], found, levels, _share, mark=PATIENCE)


def _share(seconds: float) -> float:
    return math.log10(min(max(seconds, 0.01), 10_000) / 0.01) / 6


def main(arguments: Sequence[str]) -> int:
    """Prints the table, and writes the plot."""
    found = {server.name: [late(server, load) for load in LOADS] for server in servers(Path(arguments[0]))}
    print(table(found))
    PLOT.write_text(plot(found), "utf-8")
    print(f"\nThe plot is in {PLOT.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
