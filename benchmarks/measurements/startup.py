"""Measures a start, from the command to the page and to the first token, against importing Gradio alone."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from benchmarks.clients import page
from benchmarks.systems.contestants import BASELINE, NAMED
from benchmarks.systems.models import Load
from benchmarks.systems.processes import running
from tests.running import ROOT


def seconds(load: Load, rounds: int) -> dict[str, tuple[float, float | None]]:
    """Medians over interleaved rounds: until the page is served, and until an immediate request has its first token."""
    pages: dict[str, list[float]] = {}
    tokens: dict[str, list[float]] = {}
    for _ in range(rounds):
        pages.setdefault("`import gradio`", []).append(_import())
        for name in (BASELINE, "generate"):
            started = time.perf_counter()
            with running([NAMED[name]], load, loaded=False) as (system,):
                pages.setdefault(name, []).append(time.perf_counter() - started)
                before = time.perf_counter() - started
                tokens.setdefault(name, []).append(before + page.replies(system.port, [load.message])[0].first)
    return {name: (statistics.median(each), _median(tokens.get(name))) for name, each in pages.items()}


def _import() -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import gradio"], check=True, cwd=ROOT)
    return time.perf_counter() - started


def _median(times: list[float] | None) -> float | None:
    return statistics.median(times) if times else None


def lines(found: dict[str, tuple[float, float | None]]) -> str:
    """As a Markdown table."""
    rows = [f"| {name} | {page:.1f} | {f'{token:.1f}' if token else ''} |" for name, (page, token) in found.items()]
    return "\n".join(["| system | page served, s | first token, s |", "| --- | ---: | ---: |", *rows])
