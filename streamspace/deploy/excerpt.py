"""Extracts the relevant lines of a log."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from streamspace.foreign import clean

TELLING = re.compile(r"(?i)\b(error|exception|failed|failure|fatal|killed|denied|conflict|no such|not found|expected)")
REFUSED = re.compile(r"ERROR: \S")  # pip's prefix; uvicorn's has more spaces
WIDEST = 300  # characters per line: pip lists every version of a package


def relevant(lines: Sequence[str], most: int = 20) -> list[str]:
    """The relevant lines, `most` at most, cleaned, and shortened where they are long; the first tells why.

    These are the last traceback's error with its calls, else the lines from pip's first error on, else those from the
    last mention of an error on, else the end.
    """
    lines = [_short(clean(line.rstrip())) for line in lines if line.strip()]
    starts = [index for index, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
    if starts:
        calls = list(itertools.takewhile(lambda line: line.startswith(" "), lines[starts[-1] + 1 :]))
        error, after = lines[starts[-1] + 1 + len(calls) :][:1], lines[starts[-1] + 2 + len(calls) :]
        found = [*error, *_cut([lines[starts[-1]], *calls], most - len(error), 1)]
        return [*found, *after[: most - len(found)]]
    refused = [index for index, line in enumerate(lines) if REFUSED.match(line)]
    if refused:
        return _cut(lines[refused[0] :], most, most // 2)
    telling = [index for index, line in enumerate(lines) if TELLING.search(line)]
    start = next((index for index in reversed(telling) if index - 1 not in telling), len(lines) - most)
    return _cut(lines[max(0, start) :], most, most // 2)


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
