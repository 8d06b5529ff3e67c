"""A record's tables, in Markdown whose columns are aligned for a terminal, and what is to be known to read them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]
Record = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """A figure in the contestants' table: its heading, by how much it is multiplied, and its decimal places.

    FEW and MANY in a figure's name are the smallest and the largest number of visitors.
    """

    heading: str
    figure: str
    digits: int = 0
    factor: float = 1
    spread: bool = False
    brief: bool = True


COLUMNS = (
    Column("tokens/s, FEW", "tokens_per_second/FEW", spread=True),
    Column("tokens/s, MANY", "tokens_per_second/MANY", spread=True),
    Column("first token, FEW, s", "first/FEW", 2, brief=False),
    Column("first token, MANY, s", "first/MANY", 2, brief=False),
    Column("slowest first token, MANY, s", "slowest/MANY", 2),
    Column("longest gap, MANY, ms", "gap/MANY", factor=1000),
    Column("turn 2 warm, s", "turn_warm", 2),
    Column("turn 2 cold, s", "turn_cold", 2),
    Column("repeated text, tokens/s", "repeating", brief=False),
    Column("longest stall, MANY, ms", "stall/MANY", factor=1000, brief=False),
    Column("page: tokens/s, FEW", "page_tokens_per_second/FEW", brief=False),
    Column("page: tokens/s, MANY", "page_tokens_per_second/MANY", brief=False),
    Column("page: first token, FEW, s", "page_slowest/FEW", 2, brief=False),
    Column("page: slowest first token, MANY, s", "page_slowest/MANY", 2, brief=False),
    Column("CPU s per 1,000 tokens, MANY", "cpu/MANY", 2, brief=False),
    Column("kB per 1,000 tokens", "kilobytes/FEW", brief=False),
    Column("tokens of a reply", "tokens/MANY", brief=False),
    Column("memory, MB", "megabytes/MANY", brief=False),
    Column("done after leaving, %", "after_leaving", factor=100),
)
WORTH = {  # what a switch may change: the heading, and whether more is better
    "tokens_per_second/FEW": ("tokens/s, FEW", True),
    "tokens_per_second/MANY": ("tokens/s, MANY", True),
    "slowest/MANY": ("slowest first token, MANY", False),
    "stall/MANY": ("longest stall, MANY", False),
    "turn_warm": ("turn 2 warm", False),
    "repeating": ("repeated text", True),
}


def contestants(model: Record, visitors: Sequence[int], brief: bool = False) -> str:
    """Medians over the rounds, and of tokens/s the least and the most: a `brief` table has a line for each system."""
    columns = [column for column in COLUMNS if column.brief or not brief]
    rows = [
        [row["system"], row["weights"], *(_cell(row, each, visitors) for each in columns)] for row in model["groups"][0]
    ]
    lines = [["system", "weights", *(_named(each.heading, visitors, "{} at once") for each in columns)], *rows]
    return table(lines if brief else [*zip(*lines, strict=True)])


def switches(model: Record, visitors: Sequence[int]) -> str:
    """What each speedup is worth: how many times better its system is with it than without, paired by rounds."""
    head = ["speedup", "of", *(_named(heading, visitors, "{} at once") for heading, _ in WORTH.values())]
    rows = [
        [row["switch"], row["of"], *(_worth(whole, row, name, visitors) for name in WORTH)]
        for whole, *others in filter(None, model["groups"][1:])
        for row in others
    ]
    return table([head, *rows])


def zerogpu(rows: Sequence[Row]) -> str:
    """What turns read again and ask for on a card that ZeroGPU lends."""
    lines = [["ZeroGPU", "prompt, tokens", "of them read", "GPU seconds asked"]]
    for row in rows:
        lines.append([row["turn"], *(f"{row[name]:g}" for name in ("prompt", "read", "asked"))])
    return table(lines)


def noise(model: Record) -> str:
    """How much the rounds differ, and what the client takes of the cores."""
    rows = [row["rounds"] for group in model["groups"] for row in group]
    spreads = [
        (max(values) - min(values)) / statistics.median(values)
        for figures in rows
        for name, values in figures.items()
        if name.startswith("tokens_per_second/")
    ]
    client = max(max(values) for figures in rows for name, values in figures.items() if name.startswith("client_cpu/"))
    told = f"Between the rounds, tokens/s of a system differ by {statistics.median(spreads):.0%} (median; at most "
    told = f"{told}{max(spreads):.0%}). " if any(spreads) else "One round only. "
    return f"{told}The client takes {client:.2f} s of a core per 1,000 tokens at most."


def table(lines: Sequence[Sequence[str]]) -> str:
    """The lines, the first of which is the head; all columns but the first are numbers."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(_line(line, widths) for line in (lines[0], rule, *lines[1:]))


def speeds(model: Record, visitors: int) -> dict[str, float]:
    """The tokens/s of each contestant that has a model."""
    return {
        row["system"]: statistics.median(row["rounds"][f"tokens_per_second/{visitors}"])
        for row in model["groups"][0]
        if row["system"] != "no model"
    }


def _cell(row: Row, column: Column, visitors: Sequence[int]) -> str:
    values = row["rounds"].get(_named(column.figure, visitors))
    if not values:
        return "-"
    shown = [
        f"{column.factor * each:.{column.digits}f}" for each in (statistics.median(values), min(values), max(values))
    ]
    return "{} ({} to {})".format(*shown) if column.spread and len(values) > 1 else shown[0]


def _worth(whole: Row, other: Row, figure: str, visitors: Sequence[int]) -> str:
    name = _named(figure, visitors)
    pairs = zip(whole["rounds"][name], other["rounds"][name], strict=True)
    ratios = [with_it / without if WORTH[figure][1] else without / with_it for with_it, without in pairs]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def _named(name: str, visitors: Sequence[int], number: str = "{}") -> str:
    return name.replace("FEW", number.format(visitors[0])).replace("MANY", number.format(visitors[-1]))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    return f"| {first[0]:<{first[1]}} | " + " | ".join(f"{cell:>{width}}" for cell, width in others) + " |"
