"""Waits until the pushed revision runs, as opposed to the previous one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal, Protocol

from streamspace.deploy.state import Runtime
from streamspace.errors import DeployError

Verdict = Literal["wait", "live", "asleep", "failed"]
ON_THE_WAY = {"BUILDING", "RUNNING_BUILDING", "APP_STARTING", "RUNNING_APP_STARTING"}
FAILED = {"BUILD_ERROR", "RUNTIME_ERROR", "CONFIG_ERROR", "NO_APP_FILE", "DELETING"}
SETTLED = 30.0  # seconds of RUNNING after which a push counts as running if the Hub omits the commit
LEAST, MOST = 0.5, 5.0  # seconds between polls; builds take minutes, starts take seconds


class Watched(Protocol):
    """The part of Space that this module uses."""

    name: str

    def runtime(self) -> Runtime:
        """The Space's current runtime."""


def verdict(runtime: Runtime, pushed: str, moved: bool, waited: float) -> Verdict:
    """Interprets a state for a pushed commit. `moved`: a build or start was seen; `waited`: seconds since the push.

    At first the Hub can report RUNNING, or a failure, of the previous revision, and can omit the commit.
    """
    if runtime.stage in ON_THE_WAY:
        return "wait"
    ours = runtime.sha == pushed if runtime.sha else moved or waited >= SETTLED
    if not ours:
        return "wait"
    if runtime.stage in FAILED:
        return "failed"
    return "live" if runtime.stage == "RUNNING" else "asleep"


def until_live(
    space: Watched, pushed: str, say: Callable[[str], None], timeout: float, sleep: Callable[[float], None] = time.sleep
) -> Runtime:
    """The runtime once the pushed commit runs (or sleeps). Raises DeployError when it fails or takes too long."""
    started, stage, moved = time.monotonic(), "", False
    while True:
        runtime = space.runtime()
        waited = time.monotonic() - started
        moved = moved or runtime.stage in ON_THE_WAY
        if runtime.stage != stage:
            stage = runtime.stage
            say(f"{waited:5.0f} s  {stage}{'' if runtime.sha in (None, pushed) else ' (still the revision before)'}")
        result = verdict(runtime, pushed, moved, waited)
        if result in ("live", "asleep"):
            return runtime
        if result == "failed":
            raise DeployError(f"The Space stopped at {stage}{f': {runtime.message}' if runtime.message else ''}")
        if waited > timeout:
            raise DeployError(
                f"The Space is still at {stage} after {timeout:.0f} s. Wait longer with --timeout, or read the log: "
                f"python -m streamspace logs {space.name}{' --build' if 'BUILDING' in stage else ''}"
            )
        sleep(min(MOST, LEAST + waited / 20))
