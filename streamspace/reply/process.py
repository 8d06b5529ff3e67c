"""The process that runs the model, seen from the app: starts it, asks it, and notices its end; `worker` is inside it.

Replies and questions are told apart by their numbers.
"""

from __future__ import annotations

import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from streamspace.config.types import Config
from streamspace.engines.engine import HEARTBEAT, RecentFailure
from streamspace.errors import EndedError, ModelError
from streamspace.events import Event, Failure, Heartbeat, Request
from streamspace.i18n import t
from streamspace.model.context import Fit
from streamspace.model.thinking import Thinking
from streamspace.reply.pipe import Program

log = logging.getLogger(__name__)
PROGRAM: tuple[str, ...] = ("-m", "streamspace.reply.worker")
PULSE = 1.0  # seconds of silence after which the process says that it is there
SILENT = 60.0  # seconds without a word, after which it isn't
STUCK = 600.0  # seconds in which nothing comes on: a long prompt on a slow machine may take nearly as long
LAPSE = 5.0  # seconds without a look at it


@dataclass(frozen=True)
class Loaded:
    """What the process tells once its model is there: the rest of a pipeline, as values."""

    config: Config
    engine: str
    capacity: int
    thinking: Thinking
    fit: Fit | None


class ModelProcess:
    """A running process, from its start to its end; `on_end` is called where that was not asked for."""

    def __init__(self) -> None:
        self.on_end: Callable[[], None] = lambda: None
        self.recent_failure = RecentFailure()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, queue.SimpleQueue[Event]] = {}  # for the events of replies
        self._asked: dict[int, Future[Any]] = {}
        self._heard = self._came_on = self._checked = 0.0
        self._program = Program(PROGRAM, SILENT)
        self.pid = self._program.pid

    def load(self, config: Config, on_progress: Callable[[str], None]) -> Loaded:
        """Loads the model, and then lets replies in. Raises what loading raises."""
        with suppress(EndedError):
            self._send("load", config, logging.getLogger("streamspace").level)
        while True:
            try:
                kind, value = self._program.receive()
            except EOFError:
                raise ModelError(
                    "model.id: expected a model that this machine can load, and the process that loaded "
                    f"{config.model.id!r} {self._program.close()}. Choose a smaller one, or set model.quantization: "
                    "int8"
                ) from None
            if kind == "progress":
                on_progress(value)
            elif kind == "failed":
                self.end()
                self._program.close()
                raise value
            elif kind == "loaded":
                threading.Thread(target=self._listen, name="model process", daemon=True).start()
                return value  # type: ignore[no-any-return]

    def ask(self, name: str, *given: Any, **named: Any) -> Any:
        """What a method of the process's prompts returns or raises. Raises EndedError."""
        number, answer = next(self._numbers), Future[Any]()
        self._asked[number] = answer
        try:
            self._send("ask", number, name, given, named)
            while not wait([answer], HEARTBEAT).done:
                self.check()
            return answer.result()
        finally:
            self._asked.pop(number, None)

    @contextmanager
    def reply(self, request: Request) -> Iterator[tuple[int, queue.SimpleQueue[Event]]]:
        """The number of a reply that is written for the length of the block, and where its events come in."""
        number, events = next(self._numbers), queue.SimpleQueue[Event]()
        self._waiting[number] = events
        try:
            self._send("write", number, request)
            yield number, events
        finally:
            if self._waiting.pop(number, None):
                self.stop(number)

    def stop(self, number: int) -> None:
        """Stops a reply, if the process runs."""
        with suppress(EndedError):
            self._send("stop", number)

    def check(self) -> None:
        """Kills the process where it has been silent, or stuck, for longer than can be: what waits for it then ends.

        To be called ten times a second while something does.
        """
        now = time.monotonic()
        if now - self._checked > LAPSE:  # nothing has waited, or this process was stopped as well
            self._heard = self._came_on = now
        self._checked = now
        if now - self._heard > SILENT:
            self._program.kill(f"was silent for {SILENT:.0f} s")
        elif now - self._came_on > STUCK:
            self._program.kill(f"did nothing for {STUCK:.0f} s")

    def end(self) -> None:
        """Ends the process."""
        self._program.end()

    def _send(self, *message: Any) -> None:
        try:
            self._program.send(*message)
        except EOFError:
            raise EndedError(t("error.model_ended")) from None

    def _listen(self) -> None:
        """Runs in a thread, to the process's end."""
        try:
            while True:
                kind, values = self._program.receive()
                self._heard = time.monotonic()
                if kind != "pulse":
                    self._take(kind, values)
        except EOFError:
            self._ended()

    def _take(self, kind: str, values: Any) -> None:
        if kind == "events":
            for number, event in values:
                if events := self._waiting.get(number):
                    events.put(event)
            if all(isinstance(event, Heartbeat) for _, event in values):
                return
        elif kind == "health":
            self.recent_failure.set(values) if values else self.recent_failure.clear()
        elif answer := self._asked.get(values[0]):
            answer.set_exception(values[1]) if kind == "raised" else answer.set_result(values[1])
        self._came_on = self._heard

    def _ended(self) -> None:
        cause = self._program.close()
        if not self._program.ending:
            log.error("The model's process %s. It is started again", cause)
            self.on_end()
        for events in list(self._waiting.values()):
            events.put(Failure(t("error.model_ended")))
        for answer in list(self._asked.values()):
            if not answer.done():
                answer.set_exception(EndedError(t("error.model_ended")))
