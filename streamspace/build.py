"""Puts the parts together: a config becomes a writer, with its model in place."""

from __future__ import annotations

import logging

from streamspace import prompt, zero
from streamspace.config import Config
from streamspace.engines.generate import GenerateEngine
from streamspace.loading import load
from streamspace.placement import choose
from streamspace.probe import probe
from streamspace.prompt import Encoder
from streamspace.reply import Writer

log = logging.getLogger(__name__)


def writer(config: Config) -> Writer:
    """The writer for a config. Loads the model, so it takes long. Raises DeviceError or ModelError."""
    placement = choose(probe(zero.present()), config.device, config.model.dtype, config.model.quantization)
    log.info("Device: %s", placement.reason)
    loaded = load(config.model, placement)
    prompt.template(loaded.tokenizer, config.task, config.model.id)
    engine = GenerateEngine(loaded.model, loaded.tokenizer)
    encoder = Encoder(loaded.tokenizer, loaded.context_window, config.limits.prompt_tokens)
    return Writer(config, engine, encoder)
