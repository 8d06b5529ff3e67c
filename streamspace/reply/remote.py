"""The pipeline of a model in a process of its own: the page stays smooth while it computes, and outlives it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from streamspace.config.types import Config
from streamspace.engines.engine import HEARTBEAT, Events
from streamspace.events import Failure, Finished, Heartbeat, Request
from streamspace.model.thinking import Thinking
from streamspace.prompt.prompt import Prompts
from streamspace.reply.pipeline import Pipeline
from streamspace.reply.process import Loaded, ModelProcess

P = ParamSpec("P")
R = TypeVar("R")


def pipeline(config: Config, on_progress: Callable[[str], None]) -> Pipeline:
    """As `build.here`, in a process of its own. Raises as that does, and ModelError where the process ends."""
    process = ModelProcess()
    loaded = process.load(config, on_progress)
    prompts = RemotePrompts(process, loaded.thinking)
    made = Pipeline(loaded.config, RemoteEngine(process, loaded), prompts, fit=loaded.fit)
    process.on_end = lambda: made.on_end()
    return made


class RemoteEngine:
    """The engine of a process."""

    def __init__(self, process: ModelProcess, loaded: Loaded) -> None:
        self.name = loaded.engine
        self.capacity = loaded.capacity
        self._process = process

    def stream(self, request: Request, stop: threading.Event) -> Events:
        """See `Engine.stream`. Raises EndedError where the process has ended before."""
        with self._process.reply(request) as (number, events):
            stopped = False
            while True:
                try:
                    event = events.get(timeout=HEARTBEAT)
                except queue.Empty:
                    self._process.check()
                    continue
                yield event
                if isinstance(event, Finished | Failure):
                    return
                if isinstance(event, Heartbeat):
                    self._process.check()
                if stop.is_set() and not stopped:
                    self._process.stop(number)
                    stopped = True

    def unavailable_reason(self) -> str | None:
        """See `Engine.unavailable_reason`."""
        return self._process.recent_failure.get()

    def close(self) -> None:
        """See `Engine.close`: ends the process."""
        self._process.end()


def _there(method: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[RemotePrompts, P], R]:
    """The method of the process's prompts."""

    def ask(self: RemotePrompts, /, *given: P.args, **named: P.kwargs) -> R:
        answer: R = self.process.ask(method.__name__, *given, **named)
        return answer

    return ask


class RemotePrompts:
    """The prompts of a process: the tokenizer and the chat template are there."""

    def __init__(self, process: ModelProcess, thinking: Thinking) -> None:
        self.process = process
        self.thinking = thinking

    text = _there(Prompts.text)
    chat = _there(Prompts.chat)
    schema_problem = _there(Prompts.schema_problem)
    tools_problem = _there(Prompts.tools_problem)
    calls = _there(Prompts.calls)
