"""Tries models of every kind, prints what became of them, and fails where that is behind docs/models.md.

`--write` puts the new tables into the page; the names of sections try those alone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping

from scripts.models import architectures, page, templates, vision

Sections = Mapping[str, Callable[[], Iterable[tuple[str, page.Row]]]]
SECTIONS: Sections = {
    "Templates": templates.rows,
    "Tokenizers": templates.tokenizer_rows,
    "Images": vision.rows,
    "Architectures": architectures.rows,
}


def main(arguments: list[str], sections: Sections = SECTIONS) -> int:
    """Exit code 1 where something is behind."""
    chosen = [name for name in arguments if name in sections] or list(sections)
    problems: list[str] = []
    for title in chosen:
        table = {}
        for name, row in sections[title]():
            table[name] = row
            print(f"{name}: {', '.join(f'{column}: {cell}' for column, cell in row.items() if cell)}", flush=True)
        problems += page.behind(page.read(title), table)
        if "--write" in arguments:
            page.write(title, table)
    for problem in problems:
        print(f"behind: {problem}", file=sys.stderr)
    return bool(problems)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
