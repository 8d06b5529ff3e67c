"""ZeroGPU: the only module that touches the `spaces` package, after app.py has imported it first.

The model lives in a worker process that `spaces` forks and lends a GPU. Arguments and events cross the boundary
pickled; an exception would arrive as its class name alone and cost the warm worker, so errors travel as events.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from streamspace.budget import SPARE, Budget
from streamspace.config import Config
from streamspace.engines import Events
from streamspace.errors import GpuError
from streamspace.events import End, Failure, Request
from streamspace.texts import Phrase, say

if TYPE_CHECKING:  # it brings torch, and whether this is ZeroGPU is asked before
    from streamspace.engines.generate import GenerateEngine


def present() -> bool:
    """Whether this process runs on ZeroGPU, as the `spaces` package sees it; torch's answers are emulated there."""
    spaces = sys.modules.get("spaces")
    return bool(spaces and spaces.config.Config.zero_gpu)


class ZeroEngine:
    """Runs another engine's replies in ZeroGPU's worker, through the one GPU function there is.

    It is made, and with it the function decorated, before the page is launched: that is when weights are packed.
    """

    name = "generate"

    def __init__(self, engine: GenerateEngine, config: Config, budget: Budget) -> None:
        self.capacity = config.limits.concurrency
        self._budget = budget
        size = {} if config.gpu.size == "auto" else {"size": config.gpu.size}
        decorate: Any = sys.modules["spaces"].GPU(duration=_duration, **size)
        self._call = decorate(_gpu_function(engine))

    def stream(self, request: Request, stop: threading.Event) -> Events:
        """See `Engine.stream`. The model ends a little before the GPU's time does. Raises GpuError."""
        most = request.sampling.max_new_tokens
        request = replace(request, seconds=self._budget.seconds(len(request.prompt), most) - SPARE)
        with _explained(), closing(self._call(request)) as events:
            for event in events:
                if isinstance(event, End):
                    self._budget.learn(event)
                yield event
                # Closing at the last event, rather than reading on, also spares us the hang that a failed release is.
                if stop.is_set() or isinstance(event, End | Failure):
                    return
            raise GpuError(say("error.gpu_lost"))

    def ailment(self) -> None:
        """See `Engine.ailment`. Each reply has a worker and a quota of its own."""


def _duration(request: Request) -> int:
    """The whole seconds to ask for; `spaces` calls this with the GPU function's own arguments."""
    return round((request.seconds or 0) + SPARE)


def _gpu_function(engine: GenerateEngine) -> Any:
    """The function that runs in the worker. A closure: a method would carry its model through the pickle."""
    used = False

    def write(request: Request) -> Events:
        nonlocal used  # per worker: what a worker changes stays in it
        late = 0.0 if used else _age()
        used = True
        request = replace(request, seconds=max((request.seconds or 0) - late, 0.0))
        try:
            with closing(engine.stream(request, threading.Event())) as events:
                yield from events
        except Exception as error:
            yield Failure(say("error.gpu_worker", reason=f"{type(error).__name__}: {str(error)[:300]}"))
        finally:
            engine.rest()  # the GPU goes back when this returns, so the model must have ended

    return write


def _age() -> float:
    """Seconds since this process was forked. A new worker spends them on its card, and they count."""
    try:
        started = int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19]) / os.sysconf("SC_CLK_TCK")
        return max(float(Path("/proc/uptime").read_text().split()[0]) - started, 0.0)
    except (OSError, ValueError, IndexError):
        return 0.0


EXPLAINED = [  # what `spaces` says, and our text for it, which takes what the pattern names
    (
        r"exceeded your .*quota \((?P<asked>\d+)s requested vs\. (?P<left>-?\d+)s left\)\. "
        r"Try again in (?P<wait>.+?)\.(?:\s|$)",
        "error.gpu_too_little",
    ),
    (r"exceeded your .*(?:quota|runs limit)", "error.gpu_used_up"),
    (r"reached its GPU limit", "error.gpu_anonymous"),
    (r"too many ZeroGPU credits", "error.gpu_held"),
    (r"GPU duration \((?P<asked>\d+)s\) is larger than the maximum", "error.gpu_duration"),
    (r"No GPU was available", "error.gpu_none"),
    (r"Expired ZeroGPU proxy token", "error.gpu_visit"),
    (r"GPU task aborted", "error.gpu_lost"),
]


def explain(message: str) -> Phrase:
    """What `spaces` says, in plain words with the next step."""
    for pattern, key in EXPLAINED:
        if found := re.search(pattern, message):
            return say(key, **found.groupdict())
    return say("error.gpu_failed", reason=message[:200])


@contextmanager
def _explained() -> Iterator[None]:
    """Turns what `spaces` raises into GpuError. It raises Gradio's Error, httpx's errors and RuntimeError."""
    try:
        yield
    except GpuError:
        raise
    except httpx.HTTPError as error:
        raise GpuError(say("error.gpu_unreachable")) from error
    except RuntimeError as error:
        raise GpuError(say("error.gpu_silent")) from error
    except Exception as error:
        message = getattr(error, "message", None)
        if not isinstance(message, str):
            raise
        raise GpuError(explain(message)) from error
