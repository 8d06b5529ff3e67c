"""Copies a command's output to the summary page of a GitHub Actions run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from streamspace.errors import StreamspaceError
from streamspace.foreign import clean_lines

VARIABLE = "GITHUB_STEP_SUMMARY"  # GitHub sets it to the file that becomes the page


@contextlib.contextmanager
def recorded(say: Callable[[str], None], title: str, page: str | None) -> Iterator[Callable[[str], None]]:
    """A `say` that also writes to `page`, if given, including the error that ends the command."""
    lines: list[str] = []

    def both(line: str) -> None:
        say(line)
        lines.append(clean_lines(line))

    try:
        yield both
    except StreamspaceError as error:
        lines.append(clean_lines(error))
        raise
    finally:
        if page:
            text = "\n".join(lines).replace("```", "'''")
            with Path(page).open("a", encoding="utf-8") as file:
                file.write(f"### {title}\n\n```text\n{text}\n```\n")
