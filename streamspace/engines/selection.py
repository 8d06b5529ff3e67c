"""Chooses the engine from what the config asks for and what the machine is, and says why; `build` makes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from streamspace.config.types import Config
from streamspace.errors import DeviceError, ModelError

Name = Literal["generate", "batching", "endpoint"]


@dataclass(frozen=True)
class EngineChoice:
    """Which engine, with the reason in one sentence."""

    name: Name
    reason: str


def choose(config: Config, zero: bool = False, device: str = "cpu", incompatibility: str | None = None) -> EngineChoice:
    """The engine for a config. `incompatibility` is why this model's replies can't be batched, once that is known.

    Raises DeviceError or ModelError where the config asks for batching that can't be had: no silent fallback.
    """
    if config.endpoint:
        return EngineChoice("endpoint", "endpoint because the config names a server")
    if config.engine == "generate":
        return EngineChoice("generate", "generate because the config asks for it")
    if config.engine == "batching":
        return _batching_asked(config, zero, incompatibility)
    if config.task == "image-chat":
        return EngineChoice("generate", "generate because replies to images can't be batched")
    if zero:
        return EngineChoice("generate", "generate because on ZeroGPU replies can't share passes")
    if config.limits.concurrency == 1:
        return EngineChoice("generate", "generate because limits.concurrency is 1, and alone it is quicker")
    if device == "mps":
        return EngineChoice("generate", "generate because batching is slow on mps")
    if incompatibility:
        return EngineChoice("generate", f"generate because this model's replies can't be batched: {incompatibility}")
    return EngineChoice("batching", f"batching because up to {config.limits.concurrency} replies can share each pass")


def _batching_asked(config: Config, zero: bool, incompatibility: str | None) -> EngineChoice:
    if zero:
        raise DeviceError(
            "engine: expected auto or generate on ZeroGPU, got 'batching': replies can't share passes there. "
            "Set engine: auto"
        )
    if incompatibility:
        raise ModelError(
            f"engine: expected auto or generate for {config.model.id!r}, got 'batching', which it can't do: "
            f"{incompatibility}. Set engine: auto"
        )
    return EngineChoice("batching", "batching because the config asks for it")
