"""The process that runs the model, seen from the app: starts it, asks it, and notices its end; `worker` is inside it.

What is asked goes down one pipe, and what comes back comes up another, as pickles of small tuples. Replies and
questions are told apart by their numbers.
"""

from __future__ import annotations

import itertools
import logging
import pickle
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamspace.config.types import Config
from streamspace.engines.engine import RecentFailure
from streamspace.errors import EndedError, ModelError
from streamspace.events import Event, Failure, Heartbeat, Request
from streamspace.i18n import t
from streamspace.model.context import Fit
from streamspace.model.thinking import Thinking

log = logging.getLogger(__name__)
PROGRAM: tuple[str, ...] = ("-m", "streamspace.reply.worker")
SILENT = 60.0  # seconds in which a process that computes says nothing at all, which it does ten times a second
STUCK = 600.0  # seconds in which no reply comes on: a long prompt on a slow machine may take nearly as long
END = 5.0  # seconds for the process to end by itself


@dataclass(frozen=True)
class Loaded:
    """What the process tells once its model is there: the rest of a pipeline, as values."""

    config: Config
    engine: str
    capacity: int
    thinking: Thinking
    fit: Fit | None


class ModelProcess:
    """A running process, from its start to its end. It ends when this one does, however that is: its pipe closes."""

    def __init__(self) -> None:
        self.on_end: Callable[[], None] = lambda: None
        self.recent_failure = RecentFailure()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, queue.SimpleQueue[Event]] = {}  # for the events of replies
        self._asked: dict[int, Future[Any]] = {}
        self._sending = threading.Lock()
        self._heard = self._came_on = time.monotonic()
        self._ending = False
        self._killed = ""  # why, if it was
        self._process = subprocess.Popen(  # noqa: S603  no shell
            [sys.executable, *PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
        )

    def load(self, config: Config, on_progress: Callable[[str], None]) -> Loaded:
        """Loads the model, and then lets replies in. Raises what loading raises."""
        assert self._process.stdout
        self._send("load", config, logging.getLogger("streamspace").level)
        while True:
            try:
                kind, value = pickle.load(self._process.stdout)  # noqa: S301  it is our own program
            except (EOFError, OSError, pickle.UnpicklingError):
                raise ModelError(
                    f"model.id: expected a model that this machine can load, and the process that loaded "
                    f"{config.model.id!r} {self._cause()}. Choose a smaller model, or set model.quantization: int8"
                ) from None
            if kind == "progress":
                on_progress(value)
            elif kind == "failed":
                self.end()
                raise value
            else:
                threading.Thread(target=self._listen, name="model process", daemon=True).start()
                return value  # type: ignore[no-any-return]

    def ask(self, name: str, *given: Any, **named: Any) -> Any:
        """What a method of the process's prompts returns or raises. Raises EndedError."""
        number, answer = next(self._numbers), Future[Any]()
        self._asked[number] = answer
        try:
            self._send("ask", number, name, given, named)
            return answer.result(STUCK)
        except TimeoutError:
            self._kill(f"didn't answer for {STUCK:.0f} s")
            raise EndedError(t("error.model_ended")) from None
        finally:
            self._asked.pop(number, None)

    @contextmanager
    def reply(self, request: Request) -> Iterator[tuple[int, queue.SimpleQueue[Event]]]:
        """The number of a reply that is written for the length of the block, and where its events come in."""
        number, events = next(self._numbers), queue.SimpleQueue[Event]()
        if not self._waiting:  # until now it had nothing to say
            self._heard = self._came_on = time.monotonic()
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
        """Kills the process where it has been silent, or stuck, for longer than can be: its replies then end."""
        now = time.monotonic()
        if now - self._heard > SILENT:
            self._kill(f"was silent for {SILENT:.0f} s")
        elif now - self._came_on > STUCK:
            self._kill(f"wrote nothing for {STUCK:.0f} s")

    def end(self) -> None:
        """Ends the process."""
        self._ending = True
        with suppress(OSError):
            self._process.stdin.close()  # type: ignore[union-attr]
        try:
            self._process.wait(END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _send(self, *message: Any) -> None:
        data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        try:
            with self._sending:
                self._process.stdin.write(data)  # type: ignore[union-attr]
                self._process.stdin.flush()  # type: ignore[union-attr]
        except (OSError, ValueError):  # it has ended, or is being ended
            raise EndedError(t("error.model_ended")) from None

    def _listen(self) -> None:
        """Runs in a thread, to the process's end."""
        assert self._process.stdout
        try:
            while True:
                kind, values = pickle.load(self._process.stdout)  # noqa: S301  it is our own program
                self._heard = time.monotonic()
                self._take(kind, values)
        except (EOFError, OSError, pickle.UnpicklingError):
            self._ended()

    def _take(self, kind: str, values: Any) -> None:
        if kind == "events":
            for number, event in values:
                if events := self._waiting.get(number):
                    events.put(event)
                if not isinstance(event, Heartbeat):
                    self._came_on = self._heard
            return
        if kind == "health":
            self.recent_failure.set(values) if values else self.recent_failure.clear()
            return
        number, value = values
        if answer := self._asked.get(number):
            answer.set_exception(value) if kind == "raised" else answer.set_result(value)

    def _ended(self) -> None:
        if not self._ending:
            log.error("The model's process %s. It is started again", self._cause())
        for events in list(self._waiting.values()):
            events.put(Failure(t("error.model_ended")))
        for answer in list(self._asked.values()):
            answer.set_exception(EndedError(t("error.model_ended")))
        self.on_end()

    def _kill(self, why: str) -> None:
        self._killed = why
        self._process.kill()

    def _cause(self) -> str:
        code = self._process.wait()
        if self._killed:
            return self._killed
        memory = ", as the system ends what takes too much memory" if code == -9 else ""
        return f"was ended by signal {-code}{memory}" if code < 0 else f"ended with code {code}"
