"""Puts the parts together for a GGUF file that llama.cpp runs: nothing here needs torch."""

from __future__ import annotations

import logging
from collections.abc import Callable

from streamspace import gguf
from streamspace.config.engines import Situation
from streamspace.config.types import Config
from streamspace.engines import selection
from streamspace.engines.engine import GgufFile
from streamspace.engines.llama_server import chat_template, read
from streamspace.engines.llamacpp import LlamaCppEngine, check_package
from streamspace.i18n import t
from streamspace.model import template_trial, thinking
from streamspace.model.cores import cores
from streamspace.model.files import fetch_gguf
from streamspace.prompt.message_builder import MessageBuilder
from streamspace.reply import places, room
from streamspace.reply.pipeline import Pipeline

log = logging.getLogger(__name__)


def pipeline(config: Config, situation: Situation, on_progress: Callable[[str], None]) -> Pipeline:
    """The pipeline for a config. Loads the model, so it takes long. Raises DeviceError or ModelError."""
    check_package()
    file = fetch_gguf(config.model, on_progress)
    described = read(file)
    template_trial.check(chat_template(config, file, described), config.model.id)
    on_progress(t("status.memory", name=config.model.id))
    threads, reason = cores()
    log.info("Threads: %d, since %s", threads, reason)
    config = places.by_memory(config, gguf.shape(described), 2, "cpu", threads)  # llama.cpp keeps halves
    engine = selection.make(config, situation, GgufFile(file, threads, described))
    assert isinstance(engine, LlamaCppEngine)
    server = engine.server
    choices = thinking.find(server.template, lambda choice: server.render(choice.variables), config.thinking.default)
    server.thinking = {name: choice.variables for name, choice in choices.choices.items()}
    fit = room.fit(config, server.context_window)
    prompts = MessageBuilder(fit.prompt, choices, server.count, server.window)
    if begun := room.beginning(config, prompts, fit):
        engine.begin(begun)
    return Pipeline(config, engine, prompts, fit=fit)
