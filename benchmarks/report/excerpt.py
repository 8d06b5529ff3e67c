"""Writes a benchmark's figures into the README, with a plot: `python -m benchmarks.report.excerpt results.json`."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.report.plot import lines
from tests.running import ROOT

PLOT = ROOT / "docs/benchmark.svg"
FIGURES = ROOT / "docs/benchmark.json"
README = ROOT / "README.md"
SECTION = re.compile(r"(?<=<!-- benchmark -->\n).*?(?=<!-- /benchmark -->)", re.DOTALL)


def section(figures: dict[str, Any]) -> str:
    """The README's lines: where and when, the fewest and most visitors and 8, and the plot."""
    rows = figures["rows"]
    crowds = sorted({row["visitors"] for row in rows})
    shown = sorted({crowds[0], *(crowd for crowd in crowds if crowd == 8), crowds[-1]})
    found = [
        f"{figures['date']}, {figures['cores']} cores, no GPU, a random Llama of 115M parameters in float32; real "
        "clients that ask at the same moment:",
        "",
        "| visitors | app | tokens/s | of the plain app's | slowest first token, s | steps after Stop |",
        "| ---: | --- | ---: | ---: | ---: | ---: |",
    ]
    for crowd in shown:
        plain = next(row for row in rows if row["visitors"] == crowd)
        for row in (row for row in rows if row["visitors"] == crowd):
            ratio = row["tokens_per_second"] / plain["tokens_per_second"]
            found.append(
                f"| {crowd} | {row['app']} | {row['tokens_per_second']:.0f} | {ratio:.1f} "
                f"| {row['first_slowest']:.2f} | {row['steps_after_stop']} |"
            )
    return "\n".join([*found, "", f"![Tokens a second by visitors at once, for each app]({PLOT.relative_to(ROOT)})\n"])


def plot(figures: dict[str, Any]) -> str:
    """Tokens/s by visitors, a line for each app, as SVG."""
    rows = figures["rows"]
    speeds: dict[str, list[float]] = {}
    for row in rows:
        speeds.setdefault(row["app"], []).append(row["tokens_per_second"])
    most = max(max(each) for each in speeds.values())
    step = 10 ** (len(str(int(most))) - 1)
    top = step * (int(most / step) + 1)
    across = [str(visitors) for visitors in sorted({row["visitors"] for row in rows})]
    levels = {float(level): str(level) for level in range(0, top + 1, step)}
    return lines("visitors at once (tokens/s)", across, speeds, levels, lambda speed: speed / top)


def main(arguments: Sequence[str]) -> int:
    """Copies the figures beside the plot, draws it, and writes the README's section."""
    figures = json.loads(Path(arguments[0]).read_text("utf-8"))
    FIGURES.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    PLOT.write_text(plot(figures), "utf-8")
    README.write_text(SECTION.sub(lambda _: section(figures), README.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
