"""Tries what others wrote (a chat template, a JSON schema) in a process of its own, which can always be ended."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

SECONDS = 30.0
MEMORY = 2**30  # bytes
PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT")  # of the environment: no secret


class Endless(Exception):
    """It takes more time or memory than it may."""


@functools.lru_cache(maxsize=256)  # `check` asks the same several times, and a client with a schema again and again
def outcome(module: str, job: str) -> str:
    """What a module prints as the program of a process that has the job as its input. Raises Endless."""
    environ = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    try:
        done = subprocess.run(  # noqa: S603  no shell
            [sys.executable, "-m", module], input=job, capture_output=True, text=True, encoding="utf-8",
            timeout=SECONDS, cwd=Path(__file__).parents[1], env=environ, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Endless from None
    if not done.stdout:  # it was ended for its memory or time
        raise Endless
    return done.stdout


def limit(cpu_seconds: int) -> None:
    """Ends this process where it takes more: in `cpu_seconds` the start of Python is counted along."""
    try:
        import resource
    except ImportError:  # Windows, where the time alone is limited
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
