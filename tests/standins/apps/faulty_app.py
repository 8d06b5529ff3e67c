"""The app of `scripted_app` with faults of every kind that a soak has to find: one in some replies."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from streamspace.config.types import Config
from streamspace.engines.engine import Events
from streamspace.events import Request, TextDelta
from streamspace.reply.loader import Loader
from streamspace.reply.pipeline import Pipeline
from streamspace.web.page.page import build_page
from streamspace.web.startup import read_config, serve
from tests.standins.apps import scripted_app


class Faulty(scripted_app.Scripted):
    """Loses a character of some replies, and leaves a thread, an open file and a text behind others."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._numbers = itertools.count()
        self._kept: list[str] = []

    def stream(self, request: Request, stop: threading.Event) -> Events:
        """See `Engine.stream`."""
        number = next(self._numbers)
        if number % 9 == 0:
            threading.Thread(target=threading.Event().wait, daemon=True).start()
            os.open(os.devnull, os.O_RDONLY)
            self._kept.append(str(number) * 200_000)
        for event in super().stream(request, stop):
            cut = isinstance(event, TextDelta) and number > 50 and number % 9 == 1
            yield replace(event, text=event.text[1:]) if cut and isinstance(event, TextDelta) else event


def pipeline(config: Config, on_progress: Callable[[str], None]) -> Pipeline:
    """That of `scripted_app`, with the faults."""
    made = scripted_app.pipeline(config, on_progress)
    made.engine = Faulty({}, config.limits.concurrency)
    return made


if __name__ == "__main__":
    config = read_config()
    loader = Loader(config, pipeline)
    page = build_page(loader)
    serve(page, loader)
