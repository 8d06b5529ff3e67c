"""Prints what was measured as one Markdown table, and keeps it as JSON."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measurements.serving import Row

RESULTS = Path(__file__).parents[1] / "results"
COLUMNS = {
    "app": lambda row: row.app,
    "visitors": lambda row: f"{row.visitors}",
    "first token, s": lambda row: f"{row.first:.3f}",
    "slowest, s": lambda row: f"{row.first_slowest:.3f}",
    "gap p95, ms": lambda row: f"{1000 * row.gap_p95:.0f}",
    "tokens/s": lambda row: f"{row.tokens_per_second:.0f}",
    "CPU s per 1,000 tokens": lambda row: f"{row.cpu_per_1000_tokens:.2f}",
    "kB per 1,000 tokens": lambda row: f"{row.kilobytes_per_1000_tokens:.0f}",
    "steps after Stop": lambda row: f"{row.steps_after_stop}",
    "peak memory, MB": lambda row: f"{row.peak_megabytes:.0f}",
}


def markdown(rows: Sequence[Row]) -> str:
    """The table, its columns aligned for a terminal."""
    cells = [list(COLUMNS), *([show(row) for show in COLUMNS.values()] for row in rows)]
    widths = [max(len(line[index]) for line in cells) for index in range(len(COLUMNS))]
    rule = [f"{'-' * (width - 1)}{':' if index else '-'}" for index, width in enumerate(widths)]
    return "\n".join(_line(line, widths) for line in (cells[0], rule, *cells[1:]))


def save(rows: Sequence[Row], path: Path | None = None) -> Path:
    """Writes the rows, and what they were measured on, as JSON: to `path`, else to a new file of RESULTS."""
    path = path or RESULTS / f"{time.strftime('%Y-%m-%d-%H%M%S')}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    machine = {
        "date": time.strftime("%-d %B %Y"),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
    }
    path.write_text(json.dumps({**machine, "rows": [row.data() for row in rows]}, indent=2) + "\n", "utf-8")
    return path


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    return f"| {first[0]:<{first[1]}} | " + " | ".join(f"{cell:>{width}}" for cell, width in others) + " |"
