"""What every engine is: it takes a request of token ids and yields events."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from streamspace.events import Event, Request

Events = Generator[Event, None, None]
HEARTBEAT = 0.1  # seconds of silence after which a Heartbeat is sent
STALE = 30.0  # seconds after which a failure says nothing of the engine any more, and one more visitor may try


class Engine(Protocol):
    """What writes replies."""

    name: str
    """As `engine` in a config file has it."""
    capacity: int
    """How many replies it writes at once; more than that wait their turn."""

    def stream(self, request: Request, stop: threading.Event) -> Events:
        """Yields the reply's events, the last of them a Finished or a Failure, a Heartbeat every 100 ms of silence.

        It blocks between events. Setting `stop` from any thread, or closing the generator, ends the model within one
        token; neither waits for it.
        """

    def unavailable_reason(self) -> str | None:
        """Why a reply could not be written now, in words for a visitor; None when it could, as far as is known."""

    def close(self) -> None:
        """Ends what runs between replies: threads, connections, memory. Replies that are being written fail."""


class LoadedModel(Protocol):
    """What an engine on this machine is built from; `context_window` is in tokens."""

    @property
    def model(self) -> Any:
        """A transformers model that can generate, in its place."""

    @property
    def tokenizer(self) -> Any:
        """Its tokenizer."""

    @property
    def context_window(self) -> int:
        """The most tokens of prompt and reply together."""


@dataclass(frozen=True)
class GgufFile:
    """What llama.cpp is built from, which loads the model itself: the file, and on how many threads it is to run.

    `described` is what the file says of itself; reading that takes a moment for a large vocabulary.
    """

    path: Path
    threads: int
    described: Mapping[str, Any]


class Incompatible(Exception):
    """An engine that can't run this model, with the reason; the next one of the registry is taken."""


class RecentFailure:
    """What an engine last failed of, for as long as that says something of the next reply.

    `after` is how many replies must have failed one after the other before it does.
    """

    def __init__(self, after: int = 1) -> None:
        self._after = after
        self._failed = 0
        self._reason = ""
        self._since = 0.0

    def set(self, reason: str) -> None:
        """A reply has failed, and not by its own fault."""
        self._failed += 1
        self._reason, self._since = reason, time.monotonic()

    def clear(self) -> None:
        """A reply was written."""
        self._failed = 0

    def get(self) -> str | None:
        """See `Engine.unavailable_reason`."""
        told = self._failed >= self._after and time.monotonic() - self._since < STALE
        return self._reason if told else None
