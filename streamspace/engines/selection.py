"""Chooses the engine from what the config asks for and what the machine is, and says why; `build` makes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from streamspace.config.types import Config
from streamspace.errors import DeviceError, ModelError

Name = Literal["generate", "batching", "endpoint"]


@dataclass(frozen=True)
class Chosen:
    """Which engine, with the reason in one sentence."""

    name: Name
    reason: str


def choose(config: Config, zero: bool = False, device: str = "cpu", obstacle: str | None = None) -> Chosen:
    """The engine for a config. `obstacle` is why this model's replies can't be batched, once that has been tried.

    Raises DeviceError or ModelError where the config asks for batching that can't be had: no silent fallback.
    """
    if config.endpoint:
        return Chosen("endpoint", "endpoint because the config names a server")
    if config.engine == "generate":
        return Chosen("generate", "generate because the config asks for it")
    if config.engine == "batching":
        return _batching_asked(config, zero, obstacle)
    if config.task == "image-chat":
        return Chosen("generate", "generate because replies to images can't be batched")
    if zero:
        return Chosen("generate", "generate because on ZeroGPU replies can't share passes")
    if config.limits.concurrency == 1:
        return Chosen("generate", "generate because limits.concurrency is 1, and alone it is quicker")
    if device == "mps":
        return Chosen("generate", "generate because batching is slow on mps")
    if obstacle:
        return Chosen("generate", f"generate because this model's replies can't be batched: {obstacle}")
    return Chosen("batching", f"batching because up to {config.limits.concurrency} replies can share each pass")


def _batching_asked(config: Config, zero: bool, obstacle: str | None) -> Chosen:
    if zero:
        raise DeviceError(
            "engine: expected auto or generate on ZeroGPU, got 'batching': replies can't share passes there. "
            "Set engine: auto"
        )
    if obstacle:
        raise ModelError(
            f"engine: expected auto or generate for {config.model.id!r}, got 'batching', which it can't do: "
            f"{obstacle}. Set engine: auto"
        )
    return Chosen("batching", "batching because the config asks for it")
