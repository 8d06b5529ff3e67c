"""Writes a record into README and docs/scaling.md, with a plot: `python -m benchmarks.report.excerpt results.json`."""

from __future__ import annotations

import json
import re
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.report import tables
from benchmarks.report.plot import bars
from benchmarks.report.record import described
from tests.running import ROOT

PLOT = ROOT / "docs/benchmark.svg"
RECORD = ROOT / "docs/benchmark.json"
README = ROOT / "README.md"
SCALING = ROOT / "docs/scaling.md"
SECTION = re.compile(r"(?<=<!-- benchmark -->\n).*?(?=<!-- /benchmark -->)", re.DOTALL)
HOW = (
    "All visitors ask at the same moment, through one light client, and share the cores with the system. Turn 2 comes "
    "after a question of 2,500 characters: warm where the same visitor has asked it, cold where the system has never "
    "seen it."
)

Record = Mapping[str, Any]


def section(record: Record) -> str:
    """README's lines: the conditions, the main figures of each model, and the plot."""
    visitors, parts = record["visitors"], [_paragraph(described(record), HOW)]
    for model in record["models"]:
        parts += [_paragraph(f"**{model['name']}.** {tables.noise(model)}"), tables.contestants(model, visitors, True)]
    parts.append(f"![Tokens per second of each system]({PLOT.relative_to(ROOT)})")
    return "\n\n".join(parts) + "\n"


def whole(record: Record) -> str:
    """The lines of docs/scaling.md: all figures, and what each speedup is worth."""
    visitors, parts = record["visitors"], [_paragraph(described(record))]
    for model in record["models"]:
        parts += [f"**{model['name']}**", tables.contestants(model, visitors)]
        parts += [tables.switches(model, visitors)] if model["groups"][1:] else []
    return "\n\n".join([*parts, *([tables.zerogpu(record["zerogpu"])] if record["zerogpu"] else [])]) + "\n"


def plot(record: Record) -> str:
    """Tokens/s of each system, for the first model, as SVG."""
    model, visitors = record["models"][0], record["visitors"]
    found = {f"{number} visitor{'s' * (number > 1)}": tables.speeds(model, number) for number in visitors}
    return bars(f"{model['name']}, tokens/s of all visitors:", found)


def write(path: Path, text: str) -> None:
    """Puts the text between the marks of a file."""
    path.write_text(SECTION.sub(lambda _: text, path.read_text("utf-8")), "utf-8")


def _paragraph(*sentences: str) -> str:
    return textwrap.fill(" ".join(sentences), 120, break_long_words=False, break_on_hyphens=False)


def main(arguments: Sequence[str]) -> int:
    """Copies the record into docs/, draws the plot, and writes both sections."""
    record = json.loads(Path(arguments[0]).read_text("utf-8"))
    shutil.copyfile(arguments[0], RECORD)
    PLOT.write_text(plot(record), "utf-8")
    write(README, section(record))
    write(SCALING, whole(record))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
