"""The record of a benchmark: its figures and what they were measured on, as JSON and as one Markdown table."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.measurements.serving import Row
from tests.running import ROOT

RESULTS = Path(__file__).parents[1] / "results"
PACKAGES = ("torch", "transformers", "gradio")
CPU_INFO = Path("/proc/cpuinfo")  # Linux
COLUMNS = {
    "system": lambda row: row.system,
    "concurrency": lambda row: f"{row.concurrency}",
    "first token, s": lambda row: f"{row.first_token:.3f}",
    "slowest, s": lambda row: f"{row.first_token_slowest:.3f}",
    "gap p95, ms": lambda row: f"{1000 * row.gap_p95:.0f}",
    "tokens/s": lambda row: f"{row.tokens_per_second:.0f}",
    "min to max": lambda row: " to ".join(f"{value:.0f}" for value in row.spread["tokens_per_second"]),
    "CPU s per 1,000 tokens": lambda row: f"{row.cpu_per_1000_tokens:.2f}",
    "kB per 1,000 tokens": lambda row: f"{row.kilobytes_per_1000_tokens:.0f}",
    "passes after Stop": lambda row: "-" if row.passes_after_stop is None else f"{row.passes_after_stop}",
    "peak memory, MB": lambda row: f"{row.peak_megabytes:.0f}",
}


def conditions() -> dict[str, object]:
    """What is measured and on what. To be called before the benchmark, for the load that it doesn't cause itself."""
    return {
        "date": time.strftime("%-d %B %Y"),
        "commit": _output("git", "describe", "--always", "--dirty"),
        "platform": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "load_average_at_start": os.getloadavg()[0],
        "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}},
    }


def processor(cpu_info: Path = CPU_INFO) -> str:
    """The processor's name."""
    lines = cpu_info.read_text("utf-8").splitlines() if cpu_info.is_file() else []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def described(record: Mapping[str, Any]) -> str:
    """The conditions of a record in a sentence or two; what an older record lacks is named."""
    load = record.get("load_average_at_start")
    optional = {
        "processor": record.get("processor"),
        "load average at the start": load if load is None else f"load average {load:.1f} at the start",
        "versions": ", ".join(f"{name} {version}" for name, version in record.get("versions", {}).items()),
        "commit": record.get("commit") and f"commit {record['commit']}",
        "spread": "spread" in record["rows"][0] and "medians over the rounds, with minimum and maximum",
    }
    known = [record["date"], f"{record['cores']} cores without a GPU", *filter(None, optional.values())]
    lacking = [name for name, value in optional.items() if not value]
    return f"{', '.join(known)}." + (f" Not recorded then: {', '.join(lacking)}." if lacking else "")


def markdown(rows: Sequence[Row]) -> str:
    """The table, its columns aligned for a terminal."""
    cells = [list(COLUMNS), *([show(row) for show in COLUMNS.values()] for row in rows)]
    widths = [max(len(line[index]) for line in cells) for index in range(len(COLUMNS))]
    rule = [f"{'-' * (width - 1)}{':' if index else '-'}" for index, width in enumerate(widths)]
    return "\n".join(_line(line, widths) for line in (cells[0], rule, *cells[1:]))


def save(rows: Sequence[Row], measured_on: Mapping[str, object], path: Path | None = None) -> Path:
    """Writes the record to `path`, by default a new file in RESULTS."""
    path = path or RESULTS / f"{time.strftime('%Y-%m-%d-%H%M%S')}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**measured_on, "rows": [row.data() for row in rows]}, indent=2) + "\n", "utf-8")
    return path


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    return f"| {first[0]:<{first[1]}} | " + " | ".join(f"{cell:>{width}}" for cell, width in others) + " |"


def _output(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip()
