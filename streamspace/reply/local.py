"""Puts the parts together for a model on this machine: everything here needs torch."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

from streamspace.config.engines import Situation
from streamspace.config.types import Config
from streamspace.engines import selection, zerogpu
from streamspace.engines.budget import Budget
from streamspace.engines.generate import untried
from streamspace.engines.zerogpu import Call, Worker
from streamspace.model import context, placement, threads
from streamspace.model.cores import cores
from streamspace.model.loading import Loaded, load
from streamspace.model.placement import probe
from streamspace.model.templates import check_template
from streamspace.prompt.builder import PromptBuilder
from streamspace.prompt.image_builder import ImagePromptBuilder
from streamspace.prompt.images import Images
from streamspace.reply import places, room
from streamspace.reply.pipeline import Pipeline

log = logging.getLogger(__name__)


def pipeline(
    config: Config, on_progress: Callable[[str], None], worker: Worker | None = None, gpu: Call | None = None
) -> Pipeline:
    """The pipeline for a config. Loads the model, so it takes long. Raises DeviceError or ModelError.

    See `build.pipeline` for `worker` and `gpu`. A config with device: cpu runs on ZeroGPU's host, and needs neither.
    """
    on_zero = zerogpu.lends(config)
    place = placement.choose(probe(zerogpu.present()), config.device, config.model.dtype, config.model.quantization)
    situation = Situation(zerogpu.present(), place.device)
    chosen = selection.choose(config, situation)  # what can't be is refused before the model is loaded
    log.info("Device: %s", place.reason)
    if on_zero:
        os.environ["HF_DEACTIVATE_ASYNC_LOAD"] = "1"  # threads, in which the GPU isn't emulated, can't load onto it
    if place.device == "cpu":
        threads.limit()
    loaded = load(config.model, place, on_progress, task=config.task)
    check_template(loaded.tokenizer, config.task, config.model.id)
    fit = room.fit(config, loaded.context_window)
    prompts = _prompt_builder(config, loaded, fit)
    begun = room.beginning(config, prompts, fit)
    if place.device == "cpu" and config.task != "image-chat":
        threads.tune(loaded.model)
    if not on_zero:
        if chosen.name == "batching":
            shape, number = loaded.model.config.get_text_config().to_dict(), loaded.model.dtype.itemsize
            config = places.by_memory(config, shape, number, place.device, cores()[0])
        engine: Any = selection.make(config, situation, loaded)
        if begun and engine.name == "batching":
            engine.begin(begun)
        return Pipeline(config, engine, prompts, fit=fit)
    assert worker
    assert gpu
    zerogpu.check_disk(config.model.id, loaded.model)
    config = places.with_places(config, places.LENT, "ZeroGPU gives each a card of its own")
    worker.engine, budget = untried(config, loaded), Budget(config.gpu)
    log.info("Engine: %s", chosen.reason)
    return Pipeline(config, zerogpu.ZeroGpuEngine(gpu, config, budget), prompts, budget, fit)


def _prompt_builder(config: Config, loaded: Loaded, fit: context.Fit) -> PromptBuilder:
    window, most, thinking = fit.window, fit.prompt, config.thinking.default
    if config.task != "image-chat":
        return PromptBuilder(loaded.tokenizer, window, most, thinking)
    prompts = ImagePromptBuilder(loaded.processor, window, most, Images(config.limits), loaded.model.dtype, thinking)
    prompts.check_processor(config.model.id)
    return prompts
