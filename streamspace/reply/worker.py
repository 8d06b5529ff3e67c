"""The program of a model's process: loads the model, then writes the replies that the app asks for; see `process`."""

from __future__ import annotations

import logging
import os
import pickle
import queue
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, BinaryIO

from streamspace.config.types import Config
from streamspace.errors import StreamspaceError, redacted_trace, told, unexpected
from streamspace.events import Event, Failure, Request
from streamspace.i18n import t
from streamspace.reply import build
from streamspace.reply.pipeline import Pipeline
from streamspace.reply.process import PULSE, Loaded

log = logging.getLogger(__name__)
ASKED = 4  # questions that are answered at once


def main() -> None:
    """Serves the app until it closes the pipe, which it does when it ends. Signals are the app's to answer."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints goes to the log
    Worker(outgoing).serve(incoming)
    logging.shutdown()
    os._exit(0)  # as `web/ending` does


class Worker:
    """What the process does, told what to through one pipe and telling through the other."""

    def __init__(self, outgoing: BinaryIO) -> None:
        self._outgoing = outgoing
        self._pipeline: Pipeline | None = None
        self._stops: dict[int, threading.Event] = {}
        self._answering = ThreadPoolExecutor(ASKED)
        self._said = queue.SimpleQueue[tuple[str, Any]]()
        threading.Thread(target=self._send, name="sender", daemon=True).start()

    def serve(self, incoming: BinaryIO) -> None:
        """Does what it is asked, each in a thread, to the end of the pipe."""
        while True:
            try:
                kind, *values = pickle.load(incoming)  # noqa: S301  it is our own program
            except EOFError:
                break
            if kind == "ask":
                self._answering.submit(self._answer, *values)
            elif kind == "stop":
                if stop := self._stops.get(values[0]):
                    stop.set()
            else:
                if kind == "write":
                    self._stops[values[0]] = threading.Event()
                target: Callable[..., None] = self._write if kind == "write" else self._load
                threading.Thread(target=target, args=values, daemon=True).start()
        if self._pipeline:
            self._pipeline.engine.close()

    def _load(self, config: Config, level: int) -> None:
        logging.basicConfig(format="%(message)s", level=logging.WARNING)
        logging.getLogger("streamspace").setLevel(level)
        try:
            made = self._pipeline = build.here(config, lambda progress: self._said.put(("progress", progress)))
        except StreamspaceError as error:
            self._said.put(("failed", error))
        except Exception:
            log.exception("The model could not be loaded")
            self._said.put(("failed", StreamspaceError(unexpected())))
        else:
            engine = made.engine
            loaded = Loaded(made.config, engine.name, engine.capacity, made.builder.thinking, made.fit)
            self._said.put(("loaded", loaded))

    def _write(self, number: int, request: Request) -> None:
        assert self._pipeline
        engine, stop = self._pipeline.engine, self._stops[number]
        try:
            with closing(engine.stream(request, stop)) as events:
                for event in events:
                    self._said.put(("event", (number, event)))
        except Exception as error:
            log.error("The model's process failed: %s", redacted_trace(error))
            self._said.put(("event", (number, Failure(t("error.model_failed", reason=type(error).__name__)))))
        finally:
            del self._stops[number]
            self._said.put(("health", engine.unavailable_reason()))

    def _answer(self, number: int, name: str, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        assert self._pipeline
        try:
            self._said.put(("answer", (number, getattr(self._pipeline.builder, name)(*given, **named))))
        except Exception as error:
            self._said.put(("raised", (number, told(error))))

    def _send(self) -> None:
        """Runs in a thread. What is there at once goes at once, so that a pass of many replies is one message."""
        while True:
            try:
                messages = [self._said.get(timeout=PULSE)]
            except queue.Empty:
                messages = [("pulse", None)]
            while not self._said.empty():
                messages.append(self._said.get())
            events: list[tuple[int, Event]] = [value for kind, value in messages if kind == "event"]
            others = [message for message in messages if message[0] != "event"]
            try:
                for message in ([("events", events)] if events else []) + others:
                    pickle.dump(message, self._outgoing, pickle.HIGHEST_PROTOCOL)
                self._outgoing.flush()
            except OSError:  # the app has ended, and so will `serve`
                return


if __name__ == "__main__":
    main()
