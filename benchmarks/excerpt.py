"""Writes a benchmark's figures into the README, with a plot: `python -m benchmarks.excerpt results.json`."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.running import ROOT

PLOT = ROOT / "docs/benchmark.svg"
FIGURES = ROOT / "docs/benchmark.json"
README = ROOT / "README.md"
SECTION = re.compile(r"(?<=<!-- benchmark -->\n).*?(?=<!-- /benchmark -->)", re.DOTALL)
COLORS = ("#6b7280", "#2563eb", "#15803d", "#7e22ce", "#c2410c", "#0e7490")
WIDTH, HEIGHT, LEFT, RIGHT, BOTTOM = 720, 320, 60, 170, 50


def section(figures: dict[str, Any]) -> str:
    """The README's lines: where and when, the fewest and most visitors and 8, and the plot."""
    rows = figures["rows"]
    crowds = sorted({row["visitors"] for row in rows})
    shown = sorted({crowds[0], *(crowd for crowd in crowds if crowd == 8), crowds[-1]})
    lines = [
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
            lines.append(
                f"| {crowd} | {row['app']} | {row['tokens_per_second']:.0f} | {ratio:.1f} "
                f"| {row['first_slowest']:.2f} | {row['steps_after_stop']} |"
            )
    return "\n".join([*lines, "", f"![Tokens a second by visitors at once, for each app]({PLOT.relative_to(ROOT)})\n"])


def plot(figures: dict[str, Any]) -> str:
    """Tokens/s by visitors, a line for each app, as SVG."""
    rows = figures["rows"]
    crowds = sorted({row["visitors"] for row in rows})
    speeds = {name: [row["tokens_per_second"] for row in rows if row["app"] == name] for name in _names(rows)}
    step = 10 ** (len(str(int(max(map(max, speeds.values()))))) - 1)
    top = step * (int(max(map(max, speeds.values())) / step) + 1)

    def x(index: int) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * index / max(len(crowds) - 1, 1)

    def y(speed: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - 20) * speed / top

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="12"><rect width="100%" height="100%" fill="white"/>'
    ]
    for level in range(0, top + 1, step):
        parts.append(f'<path d="M{LEFT} {y(level):.0f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(level) + 4:.0f}" text-anchor="end">{level}</text>')
    for index, crowd in enumerate(crowds):
        parts.append(f'<text x="{x(index):.0f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{crowd}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle">visitors at once (tokens/s)</text>')
    free = float("inf")  # labels, from the lowest line up, keep their distance
    for color, name in sorted(zip(COLORS, speeds, strict=False), key=lambda pair: speeds[pair[1]][-1]):
        line = " ".join(f"{x(index):.0f},{y(speed):.0f}" for index, speed in enumerate(speeds[name]))
        free = min(y(speeds[name][-1]) + 4, free - 14)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts.append(f'<text x="{WIDTH - RIGHT + 8}" y="{free:.0f}" fill="{color}">{name}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _names(rows: Sequence[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(row["app"] for row in rows))


def main(arguments: Sequence[str]) -> int:
    """Copies the figures beside the plot, draws it, and writes the README's section."""
    figures = json.loads(Path(arguments[0]).read_text("utf-8"))
    FIGURES.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    PLOT.write_text(plot(figures), "utf-8")
    README.write_text(SECTION.sub(lambda _: section(figures), README.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
