"""Chooses the engine from what the config asks for and what the machine is, says why, and makes it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

from streamspace.config.engines import ENGINES, Situation
from streamspace.config.types import Config
from streamspace.engines.engine import Engine, GgufFile, Incompatible, LoadedModel
from streamspace.errors import DeviceError, ModelError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EngineChoice:
    """Which engine, with the reason in one sentence."""

    name: str
    reason: str


def choose(config: Config, situation: Situation, incompatible: Mapping[str, str] | None = None) -> EngineChoice:
    """The engine for a config. `incompatible` holds the engines that can't run this model, and why, once that is known.

    Raises DeviceError or ModelError where the config asks for one that can't be had: no silent fallback.
    """
    failed, passed_over = incompatible or {}, ""
    for name, spec in ENGINES.items():
        impossible = spec.impossible(config, situation)
        if config.engine == name:
            _check(config, impossible, failed.get(name))
            return EngineChoice(name, f"{name} because the config asks for it")
        if config.engine != "auto":
            continue
        reason = f"{name} can't run this model: {failed[name]}" if name in failed else impossible
        if reason := reason or spec.unsuited(config, situation):
            passed_over = reason
        else:
            return EngineChoice(name, f"{name} because {spec.because(config) if spec.because else passed_over}")
    raise AssertionError("the last engine of the table can always be used")


def make(config: Config, situation: Situation, loaded: LoadedModel | GgufFile | None = None) -> Engine:
    """The engine for a config; one that turns out not to run the model is passed over. Raises as `choose` does."""
    incompatible: dict[str, str] = {}
    while True:
        choice = choose(config, situation, incompatible)
        try:
            engine: Engine = import_module(ENGINES[choice.name].module).build(config, loaded)
        except Incompatible as error:
            incompatible[choice.name] = str(error)
        else:
            log.info("Engine: %s", choice.reason)
            return engine


def _check(config: Config, impossible: str | None, incompatible: str | None) -> None:
    if impossible:
        raise DeviceError(
            f"engine: expected one that can be used here, got {config.engine!r}: {impossible}. Set engine: auto"
        )
    if incompatible:
        raise ModelError(
            f"engine: expected auto or generate for {config.model.id!r}, got {config.engine!r}, which it can't do: "
            f"{incompatible}. Set engine: auto"
        )
