"""How long a start takes, from the command to the page and to the first words, against importing Gradio alone."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from benchmarks.clients.clients import ask
from benchmarks.systems.processes import Load, running
from tests.running import ROOT


def seconds(load: Load, rounds: int) -> dict[str, tuple[float, float | None]]:
    """Medians over interleaved rounds: until the page is served, and until a visitor who came at once reads a word."""
    pages: dict[str, list[float]] = {}
    words: dict[str, list[float]] = {}
    for _ in range(rounds):
        pages.setdefault("`import gradio`", []).append(_imported())
        for name in ("naive", "generate"):
            started = time.perf_counter()
            with running([name], load, at_once=1, loaded=False) as (contestant,):
                pages.setdefault(name, []).append(time.perf_counter() - started)
                (visitor,) = contestant.visitors(1)
                before = time.perf_counter() - started
                (heard,) = ask([visitor], load.message)
                words.setdefault(name, []).append(before + heard.first)
                visitor.close()
    return {name: (statistics.median(each), _median(words.get(name))) for name, each in pages.items()}


def _imported() -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import gradio"], check=True, cwd=ROOT)
    return time.perf_counter() - started


def _median(times: list[float] | None) -> float | None:
    return statistics.median(times) if times else None


def lines(found: dict[str, tuple[float, float | None]]) -> str:
    """As a Markdown table."""
    rows = [f"| {name} | {page:.1f} | {f'{word:.1f}' if word else ''} |" for name, (page, word) in found.items()]
    return "\n".join(["| start | page served, s | first words, s |", "| --- | ---: | ---: |", *rows])
