"""Turns a reply into the values that the page shows while it grows, and an error into the page's last ones."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import gradio as gr

from streamspace.engines import reasoning
from streamspace.errors import StreamspaceError, redacted_trace, unexpected
from streamspace.reply.pipeline import Progress, Replies

log = logging.getLogger(__name__)
Updates = AsyncGenerator[Any, None]
Show = Callable[[Progress, StreamspaceError | None], Any]


async def updates(replies: Replies, show: Show) -> Updates:
    """What `show` makes of each step of a reply that differs from the one before, and of an error that ends it."""
    now = Progress()
    try:
        async with aclosing(replies):
            async for progress in replies:
                changed, now = progress != now, progress
                yield show(now, None) if changed else gr.skip()
    except StreamspaceError as error:
        yield show(now, error)
    except Exception as error:
        log.error("A reply failed: %s", redacted_trace(error))
        yield show(now, StreamspaceError(unexpected()))


class Stopwatch:
    """Measures how long a reply's reasoning takes."""

    def __init__(self) -> None:
        self._started = self._duration = 0.0

    def seconds(self, progress: Progress) -> float:
        """Seconds from the first token of the reasoning to its last so far."""
        if progress.tokens and not self._started:
            self._started = time.monotonic()
        if progress.tokens and reasoning.split(progress.text).thinking:
            self._duration = time.monotonic() - self._started
        return self._duration
