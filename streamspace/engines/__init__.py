"""The engines: each takes a request of token ids and yields events; none knows of Gradio, chat or pages."""

from __future__ import annotations

import threading
from collections.abc import Generator
from typing import Protocol

from streamspace.events import Event, Request

Events = Generator[Event, None, None]


class Engine(Protocol):
    """What writes replies."""

    capacity: int
    """How many replies it writes at once; more than that wait their turn."""

    def stream(self, request: Request, stop: threading.Event) -> Events:
        """Yields the reply's events, the last of them an End or a Failure, and a Beat wherever 100 ms pass in silence.

        It blocks between events. Setting `stop` from any thread, or closing the generator, ends the model within one
        token; neither waits for it.
        """
