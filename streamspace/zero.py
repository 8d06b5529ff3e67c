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
from typing import Any

import httpx

from streamspace.budget import SPARE, Budget
from streamspace.config import Config
from streamspace.engines import Events
from streamspace.engines.generate import GenerateEngine
from streamspace.errors import GpuError
from streamspace.events import End, Failure, Request


def present() -> bool:
    """Whether this process runs on ZeroGPU, as the `spaces` package sees it; torch's answers are emulated there."""
    spaces = sys.modules.get("spaces")
    return bool(spaces and spaces.config.Config.zero_gpu)


class ZeroEngine:
    """Runs another engine's replies in ZeroGPU's worker, through the one GPU function there is.

    It is made, and with it the function decorated, before the page is launched: that is when weights are packed.
    """

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
            raise GpuError(LOST)


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
            yield Failure(f"The GPU worker failed: {type(error).__name__}: {str(error)[:300]}")
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


LOST = "The GPU was taken back in the middle of the reply. What came so far is kept: press Continue to go on from it"
EXPLAINED = [
    (r"exceeded your .*quota \((\d+)s requested vs\. (-?\d+)s left\)\. Try again in (.+?)\.(?:\s|$)",
     "Your GPU quota for today doesn't reach: this reply asks for {0} s, and {1} s are left. "
     "Ask for a shorter reply in the settings, or come back in {2}"),
    (r"exceeded your .*(quota|runs limit)",
     "Your GPU quota for today is used up. Come back tomorrow, or sign in with an account that has more"),
    (r"reached its GPU limit", "The GPU time for visitors who aren't signed in is used up. "
     "Sign in to Hugging Face to use your own, or come back tomorrow"),
    (r"too many ZeroGPU credits", "Your other replies hold the GPU time you have left. Wait until they are finished"),
    (r"GPU duration \((\d+)s\) is larger than the maximum",
     "This reply asks for {0} s of GPU time, more than one call may have. Ask for a shorter reply in the settings; "
     "the Space's owner can lower gpu.max_seconds"),
    (r"No GPU was available", "No GPU became free in time. Try again in a moment"),
    (r"Expired ZeroGPU proxy token", "Your visit has expired. Reload the page, and ask again"),
    (r"GPU task aborted", LOST),
]  # fmt: skip


def explain(message: str) -> str:
    """What `spaces` says, in plain words with the next step."""
    for pattern, words in EXPLAINED:
        if found := re.search(pattern, message):
            return words.format(*found.groups())
    return f"The GPU worker failed ({message[:200]}). Try again; the Space's log has the details"


@contextmanager
def _explained() -> Iterator[None]:
    """Turns what `spaces` raises into GpuError. It raises Gradio's Error, httpx's errors and RuntimeError."""
    try:
        yield
    except GpuError:
        raise
    except httpx.HTTPError as error:
        raise GpuError("ZeroGPU can't be reached at the moment. Try again in a minute") from error
    except RuntimeError as error:
        raise GpuError("ZeroGPU doesn't answer as it should at the moment. Try again in a minute") from error
    except Exception as error:
        message = getattr(error, "message", None)
        if not isinstance(message, str):
            raise
        raise GpuError(explain(message)) from error
