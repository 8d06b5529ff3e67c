"""Chooses where a model runs: hardware that holds it with its cache, its quantization, and of GGUF files the one."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from streamspace.checks import gguf_files, online
from streamspace.checks.memory import Need, fits_disk, has_room, takes_whole
from streamspace.checks.platform import HARDWARE, ZEROGPU
from streamspace.checks.weights import stored
from streamspace.config.types import Config
from streamspace.errors import UsageError
from streamspace.new.facts import Facts

GPUS = [ZEROGPU, "l40sx1", "a100-large", "rtx-pro-6000"]  # ZeroGPU costs nothing; the others by their memory
CPUS = ["cpu-basic", "cpu-upgrade"]
SHORTER = (8192, 4096, 2048)  # tokens of a prompt, where a longer one doesn't fit


@dataclass(frozen=True)
class Place:
    """Where a model runs, as a config says it, and what it needs there."""

    hardware: str
    need: Need
    quantization: str = "none"
    size: str = "auto"
    file: str | None = None
    prompt: int = SHORTER[0]

    @property
    def on_cpu(self) -> bool:
        """Whether it has no GPU."""
        return self.hardware in CPUS

    @property
    def xlarge(self) -> bool:
        """Whether it takes the whole GPU on ZeroGPU, at twice the quota."""
        return self.size == "xlarge"


Make = Callable[[Place], Config]
NOTHING = Need(0, 0)


def place(facts: Facts, make: Make, hardware: str | None) -> Place:
    """The first place that holds the model; `make` makes a config for one. Raises UsageError where none does."""
    if hardware and hardware not in HARDWARE:
        raise UsageError(f"--hardware: expected one of {', '.join(HARDWARE)}, got {hardware!r}")
    names = [hardware] if hardware else CPUS if facts.is_gguf else GPUS
    candidates = _files if facts.is_gguf else _whole
    for prompt, name in itertools.product(SHORTER, names):
        for found in candidates(facts, make, name, prompt):
            return found
    raise UsageError(_too_large(facts, make, names[-1], bool(hardware)))


def needed(facts: Facts, config: Config, hardware: str) -> Need:
    """The memory that a config's model needs."""
    if config.model.file:
        return gguf_files.needs(facts.info, facts.header, config, hardware)[config.model.file]
    return online.need(facts.info, facts.shape, config, hardware)


def _whole(facts: Facts, make: Make, hardware: str, prompt: int) -> Iterator[Place]:
    """Ways to hold a model in safetensors: as it is, then quantized; on ZeroGPU in half a GPU, then in a whole one."""
    small = "int8" if hardware in CPUS else "int4"
    sizes = ["auto", "xlarge"] if hardware == ZEROGPU else ["auto"]
    for quantization, size in itertools.product(["none"] if facts.quantized else ["none", small], sizes):
        config = make(Place(hardware, NOTHING, quantization, size, prompt=prompt))
        need = needed(facts, config, hardware)
        crowded = list(fits_disk(stored(facts.info), need.weights, hardware, ""))
        if has_room(need, hardware, config) and not crowded:
            said = "xlarge" if hardware == ZEROGPU and takes_whole(need, config) else "auto"
            yield Place(hardware, need, quantization, said, prompt=prompt)


def _files(facts: Facts, make: Make, hardware: str, prompt: int) -> Iterator[Place]:
    """The GGUF file in the quantization that publishers recommend, or the largest that fits."""
    config = make(Place(hardware, NOTHING, prompt=prompt))
    needs = gguf_files.needs(facts.info, facts.header, config, hardware)
    if fitting := [name for name, need in needs.items() if has_room(need, hardware, config)]:
        best = gguf_files.recommended(fitting)
        yield Place(hardware, needs[best], file=best, prompt=prompt)


def _too_large(facts: Facts, make: Make, hardware: str, asked: bool) -> str:
    config = make(Place(hardware, NOTHING, prompt=SHORTER[-1]))
    if facts.is_gguf:
        need = next(iter(gguf_files.needs(facts.info, facts.header, config, hardware).values()))
    else:
        need = online.need(facts.info, facts.shape, config, hardware)
    return (
        f"model.id: expected a model that fits {hardware if asked or facts.is_gguf else 'one GPU of a Space'} "
        f"({HARDWARE[hardware]} GB), got {facts.name!r} with {need}. Choose a smaller or a quantized model"
    )
