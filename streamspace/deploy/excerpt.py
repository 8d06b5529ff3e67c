"""The lines of a log that say why: what a person would have scrolled to."""

from __future__ import annotations

import re
from collections.abc import Sequence

TELLING = re.compile(r"(?i)\b(error|exception|failed|failure|fatal|killed|denied|conflict|no such|not found|expected)")
SECRET = re.compile(r"\b(hf_(?:jwt_)?)[A-Za-z0-9._-]{8,}")


def relevant(lines: Sequence[str], most: int = 20) -> list[str]:
    """At most `most` lines: the last traceback, else around the last telling line, else the end; secrets blanked."""
    lines = [SECRET.sub(r"\1***", line.rstrip()) for line in lines if line.strip()]
    starts = [index for index, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
    if starts:
        found = lines[starts[-1] :]
        return found if len(found) <= most else [found[0], "  ...", *found[-(most - 2) :]]
    telling = [index for index, line in enumerate(lines) if TELLING.search(line)]
    end = min(len(lines), telling[-1] + 4) if telling else len(lines)
    return lines[max(0, end - most) : end]
