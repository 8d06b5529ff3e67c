"""How many replies are written at once where a config leaves that open, `limits.concurrency: auto`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from streamspace.checks.cache import reply_bytes
from streamspace.config.types import Config
from streamspace.model import memory

log = logging.getLogger(__name__)
SERVER = 32  # replies that a server is asked for at once: it has a line of its own
LENT = 8  # that ZeroGPU is asked for at once: each gets a card of its own
A_CORE = 8  # that share the passes of a core well: most of a pass goes into reading the weights
CPU, GPU = 64, 64  # at most
SHARE = 0.5  # of the memory that is free once the model is loaded: for the caches of all


def with_places(config: Config, most: int, reason: str) -> Config:
    """The config with so many places, if it leaves them open."""
    if config.limits.concurrency != "auto":
        return config
    log.info("Replies at once: %d, since %s", most, reason)
    return config.model_copy(update={"limits": config.limits.model_copy(update={"concurrency": most})})


def by_memory(config: Config, shape: Mapping[str, Any], number: int, device: str, cores: int) -> Config:
    """The config with as many places as suit the device, and whose caches fit its memory.

    `shape` is the text part of the model's config.json, and `number` the bytes of a number in its cache.
    """
    most, suited = min(A_CORE * cores, CPU), f"that suits the passes of {cores} cores"
    if device == "cuda":
        most, suited = GPU, "that suits the passes of a GPU"
    free, each = memory.free(device), reply_bytes(shape, config, number)
    if free is None or not each or (fitting := int(free * SHARE / each)) >= most:
        return with_places(config, most, suited)
    held = f"each may take {each / 1e6:.0f} MB of the {free / 1e6:.0f} MB that are free"
    return with_places(config, max(fitting, 1), held)
