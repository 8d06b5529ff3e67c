"""Writes a record's main figures into the README, with a plot: `python -m benchmarks.report.excerpt results.json`."""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.report.plot import lines
from benchmarks.report.record import described
from benchmarks.systems.processes import BASELINE, KERNELS
from tests.running import ROOT

PLOT = ROOT / "docs/benchmark.svg"
RECORD = ROOT / "docs/benchmark.json"
README = ROOT / "README.md"
SECTION = re.compile(r"(?<=<!-- benchmark -->\n).*?(?=<!-- /benchmark -->)", re.DOTALL)
MODEL = (
    "A random Llama of 115M parameters. All clients send at the same moment, and share the cores with the system that "
    "they measure."
)
PACKING = "[packing alone](docs/decisions/0004-cpu-weight-packing.md) makes a forward pass 1.6 to 2.2 times as fast"

Row = Mapping[str, Any]


def section(record: Mapping[str, Any]) -> str:
    """The README's lines: the conditions, a table of three concurrencies, the parts of the gain, and the plot."""
    rows = record["rows"]
    measured = sorted({row["concurrency"] for row in rows})
    shown = sorted({measured[0], *({8} & set(measured)), measured[-1]})
    found = [
        _paragraph(described(record), MODEL),
        "",
        "| clients | system | weights | tokens/s | times the baseline | slowest first token, s | passes after Stop |",
        "| ---: | --- | --- | ---: | ---: | ---: | ---: |",
        *(_line(row, _baseline(rows, row)) for number in shown for row in rows if row["concurrency"] == number),
        "",
        _paragraph(*_remarks(rows, measured)),
        "",
        f"![Tokens per second by concurrent clients, for each system]({PLOT.relative_to(ROOT)})",
    ]
    return "\n".join(found) + "\n"


def plot(record: Mapping[str, Any]) -> str:
    """Tokens/s by concurrency, a line for each system, as SVG."""
    rows = record["rows"]
    speeds: dict[str, list[float]] = {}
    for row in rows:
        speeds.setdefault(row["system"], []).append(row["tokens_per_second"])
    highest = max(max(each) for each in speeds.values())
    step = 10 ** (len(str(int(highest))) - 1)
    top = step * (int(highest / step) + 1)
    across = [str(number) for number in sorted({row["concurrency"] for row in rows})]
    levels = {float(level): str(level) for level in range(0, top + 1, step)}
    return lines("concurrent clients (tokens/s)", across, speeds, levels, lambda speed: speed / top)


def _line(row: Row, baseline: Row | None) -> str:
    system = row["system"].removesuffix(f" {row['weights']}")
    ratio = f"{_ratio(row, baseline):.1f}" if baseline else ""
    speed = f"{row['tokens_per_second']:.0f}"
    if "spread" in row:
        speed += " ({:.0f} to {:.0f})".format(*row["spread"]["tokens_per_second"])
    return (
        f"| {row['concurrency']} | {system} | {row['weights']} | {speed} | {ratio} | {row['first_token_slowest']:.2f} "
        f"| {'-' if row['passes_after_stop'] is None else row['passes_after_stop']} |"
    )


def _baseline(rows: Sequence[Row], row: Row) -> Row | None:
    """What a row is compared with: the baseline with the same weights and as many clients."""
    return _find(rows, BASELINE, row["concurrency"], row["weights"])


def _remarks(rows: Sequence[Row], measured: Sequence[int]) -> Iterator[str]:
    """Which parts of a gain are kernels, and what has no ratio."""
    for number in sorted({measured[0], measured[-1]}):
        baseline, kernels, batching = (_find(rows, name, number) for name in (BASELINE, KERNELS, "batching"))
        if baseline and kernels and batching:
            yield (
                f"With {number} client{'s' * (number > 1)}, the factor from kernels (packed layers, thread counts) "
                f"is {_ratio(kernels, baseline):.1f}, that from streaming and batching {_ratio(batching, kernels):.1f}."
            )
        elif number == 1 and baseline and batching:
            yield (
                f"With one client nothing is batched: the {_ratio(batching, baseline):.1f} of `batching` comes from "
                "kernels (packed layers, thread counts) and from less work per streamed token. This run did not "
                f"measure the two separately; {PACKING}."
            )
    if any(_baseline(rows, row) is None for row in rows):
        yield "int8 is not compared with the baseline, which runs in float32."


def _paragraph(*sentences: str) -> str:
    return textwrap.fill(" ".join(sentences), 120, break_long_words=False, break_on_hyphens=False)


def _find(rows: Sequence[Row], system: str, concurrency: int, weights: str = "float32") -> Row | None:
    wanted = (system, concurrency, weights)
    return next((row for row in rows if (row["system"], row["concurrency"], row["weights"]) == wanted), None)


def _ratio(row: Row, other: Row) -> float:
    return float(row["tokens_per_second"] / other["tokens_per_second"])


def main(arguments: Sequence[str]) -> int:
    """Copies the record into docs/, draws the plot, and writes the README's section."""
    record = json.loads(Path(arguments[0]).read_text("utf-8"))
    RECORD.write_text(json.dumps(record, indent=2) + "\n", "utf-8")
    PLOT.write_text(plot(record), "utf-8")
    README.write_text(SECTION.sub(lambda _: section(record), README.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
