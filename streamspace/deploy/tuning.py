"""Compares the speed that a live Space showed with its config's, and writes it there if asked to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from streamspace.checks.platform import ZEROGPU
from streamspace.config.edit import edited
from streamspace.config.types import Config
from streamspace.deploy.smoke import Answer
from streamspace.engines.budget import SAFETY_FACTOR

KEY = "gpu.tokens_per_second"


def tune(
    answer: Answer | None, config: Config, path: Path, hardware: str, write: bool, say: Callable[[str], None]
) -> None:
    """Says how fast the Space writes, and on ZeroGPU what to write in the config; with `write`, does it."""
    if not answer or not answer.speed:
        return
    say(f"it writes about {answer.speed:.0f} tokens per second")
    if hardware != ZEROGPU:
        return  # nobody asks for GPU seconds there
    relied = max(1, round(SAFETY_FACTOR * answer.speed))
    if write:
        text = edited(path.read_text("utf-8"), {KEY: relied}, {KEY: "measured on the Space, less a fifth"})
        path.write_text(text, "utf-8")
        say(f"wrote gpu: tokens_per_second: {relied} into {path.name}; the next deploy takes it along")
    elif relied != config.gpu.tokens_per_second:
        say(f"to write in {path.name} (--tune does it):\n  gpu:\n    tokens_per_second: {relied}")
