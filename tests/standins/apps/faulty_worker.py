"""A model's process that does to itself what a message names; other messages it says back, word by word.

`die` is killed, as one that takes too much memory, and `leave` ends by itself; `freeze` stops as a machine that swaps
does; `hang` is a model that doesn't come on; `slow` takes half a second a word. While it loads, LOADING does the same.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

from streamspace.config.types import Config
from streamspace.engines.engine import Events
from streamspace.errors import ModelError
from streamspace.events import Finished, Heartbeat, Request, TextDelta
from streamspace.prompt.message_builder import MessageBuilder
from streamspace.reply import build, worker
from streamspace.reply.pipeline import Pipeline

FAULTS: dict[str, Callable[[], object]] = {
    "die": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "leave": lambda: os._exit(3),
    "freeze": lambda: os.kill(os.getpid(), signal.SIGSTOP),
}


class Faulty:
    """See the module."""

    name = "faulty"
    capacity = 3

    def stream(self, request: Request, stop: threading.Event) -> Events:
        """See `Engine.stream`."""
        said = request.messages[-1].content
        yield Heartbeat("prefill")
        for number, word in enumerate(said.split(), 1):
            yield TextDelta(f"{word} ", number)
            if word == "raise":
                raise RuntimeError(said)
            if fault := FAULTS.get(word):
                time.sleep(0.5)
                fault()
            until = time.monotonic() + {"hang": 60, "slow": 0.5}.get(word, 0)
            while time.monotonic() < until:
                yield Heartbeat("decode")
                time.sleep(0.05)
                if stop.is_set():
                    print("stopped")
                    yield Finished("cancelled", number, 0.1, 0.1)
                    return
        yield Finished("stop", number, 0.1, 0.1)

    def unavailable_reason(self) -> None:
        """See `Engine.unavailable_reason`."""

    def close(self) -> None:
        """See `Engine.close`."""
        print("closed")


class Prompts(MessageBuilder):
    """Raises where it is asked whether a schema can be followed."""

    def schema_problem(self, schema: str) -> str:
        """See `Prompts.schema_problem`."""
        raise ZeroDivisionError(schema)


def pipeline(config: Config, on_progress: Callable[[str], None]) -> Pipeline:
    """In the place of `build.here`."""
    on_progress("half of it")
    loading = os.environ.get("LOADING", "")
    if loading == "refuse":
        raise ModelError("model.id: 'a' is gated", detail="of the Hub")
    FAULTS.get(loading, lambda: None)()
    return Pipeline(config, Faulty(), Prompts(config.limits.prompt_tokens, "on"))


if __name__ == "__main__":
    build.here = pipeline  # type: ignore[assignment]
    worker.main()
