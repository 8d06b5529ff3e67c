"""Writes the table of modules in docs/architecture.md from their docstrings; `make format` runs it."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.project.test_layers import FLOORS, PACKAGE, package_of  # noqa: E402

PAGE = ROOT / "docs/architecture.md"
BEGIN, END = "<!-- modules: made by `make format` -->", "<!-- /modules -->"


def page() -> str:
    """The page with today's table."""
    before, rest = PAGE.read_text("utf-8").split(BEGIN)
    lines = ["| module | duty |", "| --- | --- |", *_rows()]
    return "\n".join([before + BEGIN, *lines, END + rest.split(END)[1]])


def _rows() -> Iterator[str]:
    floor = {package: number for number, packages in enumerate(FLOORS) for package in packages}
    modules = [path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem != "__init__"]
    for path in sorted(modules, key=lambda path: (floor[package_of(path)], path.parent, path)):
        name = path.relative_to(PACKAGE).with_suffix("").as_posix()
        shown = f"**{name.removesuffix('__init__')}**" if name.endswith("/__init__") else f"`{name}`"
        yield f"| {shown} | {_first_sentence(path)} |"


def _first_sentence(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return re.split(r"(?<=\.)\s", text, maxsplit=1)[0].replace("\n", " ").replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
