"""Puts the parts together: a config becomes a pipeline, with its model in place here or on a server."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

from streamspace import switches
from streamspace.config.engines import Situation
from streamspace.config.types import Config
from streamspace.engines import selection, zerogpu
from streamspace.engines.zerogpu import Call, Worker
from streamspace.model.placement import Machine, check_gguf, has_cuda
from streamspace.prompt.message_builder import MessageBuilder
from streamspace.reply import gguf, places, remote
from streamspace.reply.pipeline import Pipeline

log = logging.getLogger(__name__)
SPINS = "3000"  # some 30 microseconds that one of their threads waits awake for the others, before it sleeps


def pipeline(
    config: Config,
    on_progress: Callable[[str], None] = log.info,
    *,
    worker: Worker | None = None,
    gpu: Call | None = None,
) -> Pipeline:
    """The pipeline for a config. May load the model, so it takes long, and tells how far it is.

    A model on this machine runs in a process of its own. Not on ZeroGPU, which has one: there `worker` gets the model,
    and replies come through `gpu`, the decorated function. Without the switch `process` it stays in this one.
    Raises DeviceError or ModelError.
    """
    if config.endpoint:
        config = places.with_places(config, places.SERVER, "a server has a line of its own")
        engine = selection.make(config, Situation(zerogpu.present()))
        return Pipeline(config, engine, MessageBuilder(config.limits.prompt_tokens, config.thinking.default))
    if zerogpu.present() or not switches.is_on("process"):
        return here(config, on_progress, worker, gpu)
    return remote.pipeline(config, on_progress)


def here(
    config: Config, on_progress: Callable[[str], None] = log.info, worker: Worker | None = None, gpu: Call | None = None
) -> Pipeline:
    """The pipeline of a model that is loaded into this process. See `pipeline`."""
    before_torch()
    if file := config.model.gguf:
        check_gguf(Machine(zero=zerogpu.present()), config.device, file)
        situation = Situation(zerogpu.present(), "cuda" if config.device == "auto" and has_cuda() else config.device)
        if selection.choose(config, situation).name == "llamacpp":
            return gguf.pipeline(config, situation, on_progress)
    from streamspace.reply import local  # brings torch, which a model elsewhere doesn't need

    return local.pipeline(config, on_progress, worker, gpu)


def before_torch() -> None:
    """Sets what torch, or llama.cpp, reads when it is imported, unless the environment has its own wish."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
