"""Reads and writes the tables of docs/models.md, and tells where a new one is behind the committed one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/models.md"
FEWER = {"forged tokens"}  # columns in which less is better
# By how a cell begins; any other text is 0.
WORTH = {"yes": 1.0, "counted": 1.0, "new tokens": 1.0, "one at a time": 0.6, "all again": 0.6, "refused": 0.3}
SUMMED = ("chat", "images", "next turn", "batching", "int8 on a CPU", "experts")  # columns that are summed up
BROKEN = ("crashes", "other", "no answer")
Row = dict[str, str]
Table = Mapping[str, Row]


def read(title: str) -> dict[str, Row]:
    """The table of a section, by the first cell of each row; empty where there is none."""
    if not PAGE.is_file():
        return {}
    _, _, section = PAGE.read_text("utf-8").partition(f"<!-- {title} -->\n")
    lines = [line for line in section.partition("<!-- / -->")[0].splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split(" |")] for line in lines]
    return {row[0]: {name: cell for name, cell in zip(cells[0][1:], row[1:], strict=True) if cell} for row in cells[2:]}


def write(title: str, table: Table) -> None:
    """Puts a table, and how many rows have the same, into the page's section."""
    columns = list(dict.fromkeys(column for row in table.values() for column in row))
    lines = [f"| name | {' | '.join(columns)} |", f"| --- {'| --- ' * len(columns)}|"]
    for name, row in table.items():
        lines.append(f"| {name} | {' | '.join(row.get(column, '').replace('|', '/').strip() for column in columns)} |")
    begin, end = f"<!-- {title} -->\n", "<!-- / -->"
    before, _, rest = PAGE.read_text("utf-8").partition(begin)
    after = rest.partition(end)[2]
    PAGE.write_text(f"{before}{begin}{_summary(table, columns)}" + "\n".join(lines) + f"\n{end}{after}", "utf-8")


def behind(committed: Table, now: Table) -> Iterator[str]:
    """What is worse now, or broken: in words, one for each cell."""
    for name in committed.keys() - now.keys():
        yield f"{name}: not there any more"
    for name, row in now.items():
        before = committed.get(name, {})
        for column, cell in row.items():
            worse = _score(column, cell) < _score(column, before.get(column, cell))
            if worse or cell.startswith(BROKEN):
                yield f"{name}, {column}: {cell}, and it was {before.get(column, 'not there')}"


def _score(column: str, cell: str) -> float:
    if found := re.match(r"(\d+)(?: of (\d+))?$", cell):
        part = int(found[1]) / int(found[2] or 1)
        return -part if column in FEWER else part
    return next((worth for begin, worth in WORTH.items() if cell.startswith(begin)), 0.0)


def _summary(table: Table, columns: list[str]) -> str:
    def told(column: str) -> str:
        counted = Counter(re.split(r"[:,(]", row[column])[0].strip() for row in table.values() if row.get(column))
        return f"{column}: " + ", ".join(f"{number} {cell}" for cell, number in counted.most_common(6))

    counts = [told(column) for column in columns if column in SUMMED]
    return f"{'; '.join(counts)}.\n\n" if counts else ""
