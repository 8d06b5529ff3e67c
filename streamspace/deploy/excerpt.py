"""Extracts the relevant lines of a log."""

from __future__ import annotations

import re
from collections.abc import Sequence

from streamspace.foreign import clean

TELLING = re.compile(r"(?i)\b(error|exception|failed|failure|fatal|killed|denied|conflict|no such|not found|expected)")
REFUSED = re.compile(r"ERROR: \S")  # pip's prefix; uvicorn's has more spaces
WIDEST = 300  # characters per line: pip lists every version of a package


def relevant(lines: Sequence[str], most: int = 20) -> list[str]:
    """The relevant lines, `most` at most, cleaned, and shortened where they are long.

    These are the last traceback, else the lines from pip's first error on, else the lines around the last mention of
    an error, else the end.
    """
    lines = [_short(clean(line.rstrip())) for line in lines if line.strip()]
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
    """The first sentence of the Hub's error message, which can include cache notes or the end of the log."""
    first, *more = message.strip().splitlines() or [""]
    return first.split(". Reason: ")[0] if more or "cache miss: " in first else first


def _cut(lines: list[str], most: int, head: int) -> list[str]:
    """The lines, cut to `most`, with `head` of them from the start."""
    return lines if len(lines) <= most else [*lines[:head], "  ...", *lines[-(most - head - 1) :]]


def _short(line: str) -> str:
    half = WIDEST // 2
    return line if len(line) <= WIDEST else f"{line[:half]} ... {line[-half:]}"
