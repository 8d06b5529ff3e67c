"""The lines of a log that say why: what a person would have scrolled to."""

from __future__ import annotations

import re
from collections.abc import Sequence

TELLING = re.compile(r"(?i)\b(error|exception|failed|failure|fatal|killed|denied|conflict|no such|not found|expected)")
REFUSED = re.compile(r"ERROR: \S")  # how pip begins, while uvicorn indents what follows
SECRET = re.compile(r"\b(hf_(?:jwt_)?)[A-Za-z0-9._-]{8,}")
WIDEST = 300  # characters of a line: pip lists every version that a package ever had


def relevant(lines: Sequence[str], most: int = 20) -> list[str]:
    """At most `most` lines; secrets blanked, long lines shortened.

    They are the last traceback, else all from pip's first refusal on, else those around the last telling line, else
    the end.
    """
    lines = [_short(SECRET.sub(r"\1***", line.rstrip())) for line in lines if line.strip()]
    starts = [index for index, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
    if starts:
        return _cut(lines[starts[-1] :], most, 1)
    refused = [index for index, line in enumerate(lines) if REFUSED.match(line)]
    if refused:
        return _cut(lines[refused[0] :], most, most // 2)
    telling = [index for index, line in enumerate(lines) if TELLING.search(line)]
    end = min(len(lines), telling[-1] + 4) if telling else len(lines)
    return lines[max(0, end - most) : end]


def headline(message: str) -> str:
    """The Hub's error message in one line: the end of the log, or notes on the builder's cache, may follow in it."""
    first, *more = message.strip().splitlines() or [""]
    return first.split(". Reason: ")[0] if more or "cache miss: " in first else first


def _cut(lines: list[str], most: int, head: int) -> list[str]:
    """At most `most` of the lines, with `head` of them from the beginning."""
    return lines if len(lines) <= most else [*lines[:head], "  ...", *lines[-(most - head - 1) :]]


def _short(line: str) -> str:
    half = WIDEST // 2
    return line if len(line) <= WIDEST else f"{line[:half]} ... {line[-half:]}"
