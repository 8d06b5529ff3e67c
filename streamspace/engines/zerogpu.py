"""ZeroGPU: the only module that touches the `spaces` package, besides app.py, which imports it first.

The model lives in a worker process that `spaces` forks and lends a GPU. Arguments and events cross the boundary
pickled; an exception would arrive as its class name alone and cost the warm worker, so errors travel as events.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from streamspace.config.types import Config, Gpu
from streamspace.engines.budget import MARGIN, Budget
from streamspace.engines.engine import Events, RecentFailure
from streamspace.errors import GpuError, ModelError, QuotaError, first_line, redacted_trace
from streamspace.events import Failure, Finished, Heartbeat, Request
from streamspace.i18n import LazyText, t

log = logging.getLogger(__name__)
Call = Callable[[Request], Events]

if TYPE_CHECKING:  # it brings torch, and whether this is ZeroGPU is asked before
    from streamspace.engines.generate import GenerateEngine


def present() -> bool:
    """Whether this process runs on ZeroGPU, as the `spaces` package sees it; torch's answers are emulated there."""
    spaces = sys.modules.get("spaces")
    return bool(spaces and spaces.config.Config.zero_gpu)


def lends(config: Config) -> bool:
    """Whether replies by this config run on a GPU that ZeroGPU lends. A server or a CPU needs none."""
    return present() and not config.endpoint and config.device != "cpu"


class Worker:
    """What runs in the process that `spaces` forks and lends a GPU: app.py decorates a function that calls `generate`.

    Made without a model: the platform ends a Space in which no function is decorated when it starts, so that function
    is there whatever becomes of the model. It gets its `engine` before the page is launched, when weights are packed.
    """

    def __init__(self) -> None:
        self.engine: GenerateEngine | None = None
        self._used = False  # per worker: what a worker changes stays in it

    def generate(self, request: Request) -> Events:
        """The reply's events, the last of them a Finished or a Failure: an exception would cost the warm worker."""
        assert self.engine
        late = 0.0 if self._used else _age()
        self._used = True
        request = replace(request, time_limit=max((request.time_limit or 0) - late, 0.0))
        try:
            with closing(self.engine.stream(request, threading.Event())) as events:
                yield from events
        except Exception as error:
            log.error("The GPU worker failed: %s", redacted_trace(error))
            yield Failure(t("error.gpu_worker", reason=type(error).__name__))
        finally:
            self.engine.rest()  # the GPU goes back when this returns, so the model must have ended


class ZeroGpuEngine:
    """Runs the worker's replies through `call`, the decorated function of app.py."""

    name = "generate"

    def __init__(self, call: Callable[[Request], Events], config: Config, budget: Budget) -> None:
        self.capacity = config.limits.places
        self._call = call
        self._budget = budget
        self._recent_failure = RecentFailure(after=2)

    def stream(self, request: Request, stop: threading.Event) -> Events:
        """See `Engine.stream`. The model ends a little before the GPU's time does. Raises GpuError."""
        seconds = self._budget.seconds(len(request.prompt), request.sampling.max_new_tokens)
        request = replace(request, time_limit=seconds - MARGIN)
        yield Heartbeat("waiting", seconds)
        with _explained(), closing(self._call(request)) as events:
            for event in events:
                if isinstance(event, Finished):
                    self._budget.learn(event)
                    self._recent_failure.clear()
                elif isinstance(event, Failure):
                    self._recent_failure.set(event.message)
                yield event
                # Closing at the last event, rather than reading on, also spares us the hang that a failed release is.
                if stop.is_set() or isinstance(event, Finished | Failure):
                    return
            raise GpuError(t("error.gpu_lost"))

    def unavailable_reason(self) -> str | None:
        """See `Engine.unavailable_reason`. A visitor's quota says nothing of the next one's; the model does."""
        return self._recent_failure.get()

    def close(self) -> None:
        """See `Engine.close`. The workers are the platform's."""


def duration(request: Request) -> int:
    """The whole seconds to ask for; `spaces` calls this with the GPU function's own arguments."""
    return round((request.time_limit or 0) + MARGIN)


def size(gpu: Gpu) -> Any:
    """What `spaces` takes for `gpu.size`; None lets it follow the size of the weights."""
    return None if gpu.size == "auto" else gpu.size


def check_disk(name: str, model: Any) -> None:
    """Raises ModelError where the weights don't fit the disk once more: `spaces` packs them there at the launch."""
    needed = sum(each.numel() * each.element_size() for each in model.state_dict().values())
    folder = Path(sys.modules["spaces"].config.Config.zerogpu_offload_dir)
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise ModelError(
            f"model.id: expected a model whose weights fit the disk twice, got {name!r} with {needed / 1e9:.1f} GB to "
            f"pack and {free / 1e9:.1f} GB free. Choose a smaller model, or set model.quantization: int8 or int4"
        )


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
QUOTA = ("error.gpu_too_little", "error.gpu_used_up", "error.gpu_anonymous", "error.gpu_held")


def explain(message: str) -> LazyText:
    """What `spaces` says, in plain words with the next step."""
    for pattern, key in EXPLAINED:
        if found := re.search(pattern, message):
            return t(key, **found.groupdict())
    log.warning("ZeroGPU said: %s", first_line(message))  # a sentence of its own, or a class name
    return t("error.gpu_failed")


@contextmanager
def _explained() -> Iterator[None]:
    """Turns what `spaces` raises into GpuError. It raises Gradio's Error, httpx's errors and RuntimeError."""
    try:
        yield
    except GpuError:
        raise
    except httpx.HTTPError as error:
        raise GpuError(t("error.gpu_unreachable")) from error
    except RuntimeError as error:
        raise GpuError(t("error.gpu_silent")) from error
    except Exception as error:
        message = getattr(error, "message", None)
        if not isinstance(message, str):
            raise
        text = explain(message)
        raise (QuotaError if text.key in QUOTA else GpuError)(text) from error
