"""The engines there are, in the order in which `auto` takes them: a new one is added here, with a module that makes it.

The config's key `engine`, the choice and the construction follow from this table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from streamspace.config.types import Config


@dataclass(frozen=True)
class Situation:
    """What decides about engines besides the config: whether this is ZeroGPU, and the device the model runs on."""

    zerogpu: bool = False
    device: str = "cpu"


Rule = Callable[["Config", Situation], "str | None"]


@dataclass(frozen=True)
class EngineSpec:
    """One engine. Its `module` has `build(config, loaded)`, which returns an `Engine` or raises `Incompatible`.

    `because` says why `auto` takes it; without, it is since the one before it was passed over. `impossible` says why it
    can't be used, and `unsuited` why `auto` passes it over.
    """

    summary: str
    module: str
    because: Callable[[Config], str] | None = None
    impossible: Rule = lambda config, situation: None
    unsuited: Rule = lambda config, situation: None


def _needs_server(config: Config, _: Situation) -> str | None:
    return None if config.endpoint else "the config names no server"


def _needs_gguf(config: Config, _: Situation) -> str | None:
    if not config.model.gguf:
        return "the config names no GGUF file (model.file)"
    return "it runs on a CPU, and device: cuda asks for a GPU" if config.device == "cuda" else None


def _cannot_batch(config: Config, situation: Situation) -> str | None:
    if config.task == "image-chat":
        return "replies to images can't be batched"
    return "on ZeroGPU replies can't share passes" if situation.zerogpu else None


def _batching_gains_nothing(config: Config, situation: Situation) -> str | None:
    if config.limits.concurrency == 1:
        return "limits.concurrency is 1, and alone it is quicker"
    return "batching is slow on mps" if situation.device == "mps" else None


ENGINES = {
    "endpoint": EngineSpec(
        "a server elsewhere",
        "streamspace.engines.endpoint",
        because=lambda config: "the config names a server",
        impossible=_needs_server,
    ),
    "llamacpp": EngineSpec(
        "a GGUF file on a CPU",
        "streamspace.engines.llamacpp",
        because=lambda config: "model.file is a GGUF file",
        impossible=_needs_gguf,
        unsuited=lambda config, situation: "on a GPU transformers reads it" if situation.device == "cuda" else None,
    ),
    "batching": EngineSpec(
        "many in one pass",
        "streamspace.engines.batching",
        because=lambda config: "replies can share each pass",
        impossible=_cannot_batch,
        unsuited=_batching_gains_nothing,
    ),
    "generate": EngineSpec("one reply at a time", "streamspace.engines.generate"),
}

KINDS = ", ".join(f"`{name}` {spec.summary}" for name, spec in reversed(ENGINES.items()))

if TYPE_CHECKING:
    EngineName = str
else:
    EngineName = Literal["auto", *reversed(ENGINES)]
