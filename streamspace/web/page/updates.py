"""Turns a reply into the values that the page shows while it grows, and an error into the page's last ones."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import gradio as gr

from streamspace.errors import StreamspaceError, told
from streamspace.reply.progress import Progress, Replies

Updates = AsyncGenerator[Any, None]
QUIET = 0.5  # seconds
Show = Callable[[Progress, StreamspaceError | None], Any]


async def updates(replies: Replies, show: Show) -> Updates:
    """What `show` makes of each step of a reply that differs from the one before, and of an error that ends it.

    The first step comes before any work, and something about every `QUIET` seconds: a step is when Gradio hears
    that the visitor has gone.
    """
    now, said = Progress(), 0.0
    try:
        async with aclosing(replies):
            async for progress in replies:
                changed, now = progress != now, progress
                if changed or time.monotonic() - said > QUIET:
                    said = time.monotonic()
                    yield show(now, None) if changed else gr.skip()
    except Exception as error:
        yield show(now, told(error))


class Stopwatch:
    """Measures how long each part of a reply takes."""

    def __init__(self) -> None:
        self._started: list[float] = []
        self._seconds: list[float] = []

    def seconds(self, progress: Progress) -> list[float]:
        """For each part, the seconds from its first token to its last so far."""
        now = time.monotonic()
        for _ in progress.parts[len(self._started) :]:
            self._started.append(now)
            self._seconds.append(0.0)
        if progress.parts:
            last = len(progress.parts) - 1
            self._seconds[last] = now - self._started[last]
        return self._seconds[: len(progress.parts)]
