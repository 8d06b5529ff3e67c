"""Compares the memory that a model needs with the hardware's; `weights` and `cache` compute what it needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from streamspace.checks.findings import Finding
from streamspace.checks.platform import HARDWARE, LARGE_WEIGHTS_GIB, XLARGE_GB, ZEROGPU, ZEROGPU_DISK_GB
from streamspace.config.types import Config

GIB = 2**30
BINARY = {" GiB": 2**30, " MiB": 2**20}
DECIMAL = {" GB": 10**9, " MB": 10**6}
OVERHEAD = 1.2  # activations, the allocator and the CUDA context; a rule of thumb


@dataclass(frozen=True)
class Need:
    """Bytes of the loaded weights, of the key/value cache for all concurrent replies, and while loading, if more."""

    weights: int
    cache: int
    loading: int = 0

    @property
    def total(self) -> float:
        """The sum, with a margin for the rest of a forward pass."""
        return max((self.weights + self.cache) * OVERHEAD, self.loading)

    def __str__(self) -> str:
        loading = f" ({shown(self.loading, BINARY)} while it loads)" if self.loading else ""
        return f"{shown(self.weights, BINARY)} of weights{loading} and {shown(self.cache, BINARY)} of cache"


def shown(count: float, units: Mapping[str, int]) -> str:
    """A large number in its largest unit, for example 7.6B or 512.0 MiB."""
    name, size = next(((name, size) for name, size in units.items() if count >= size), list(units.items())[-1])
    return f"{count / size:.1f}{name}"


def oversized(weights: int, hardware: str, config: Config, where: str) -> Iterator[Finding]:
    """Findings for weights that don't fit ZeroGPU's default share of a GPU."""
    if hardware != ZEROGPU or weights <= LARGE_WEIGHTS_GIB * GIB:
        return
    size = f"{weights / GIB:.0f} GiB of weights"
    if config.gpu.size == "large":
        problem = f"gpu.size: expected 'xlarge' or 'auto' for {size} (large holds {LARGE_WEIGHTS_GIB} GiB), got 'large'"
        yield Finding("error", where, problem, "xlarge uses up a visitor's daily quota twice as fast")
        return
    problem = f"{size} are above the {LARGE_WEIGHTS_GIB} GiB that fit half a GPU (large): this Space takes xlarge"
    yield Finding("warning", where, problem, "That uses up a visitor's daily quota twice as fast")


def fits_disk(stored: int, weights: int, hardware: str, where: str) -> Iterator[Finding]:
    """Checks that ZeroGPU's disk holds the downloaded files and the packed weights that `spaces` writes."""
    if hardware == ZEROGPU and stored + weights > ZEROGPU_DISK_GB * 1e9:
        problem = (
            f"model.id: expected weights that fit ZeroGPU's disk ({ZEROGPU_DISK_GB} GB) twice, downloaded and packed, "
            f"got {stored / 1e9:.0f} and {weights / 1e9:.0f} GB"
        )
        yield Finding(
            "error", where, problem, "Choose a smaller or a quantized model, or hardware with a GPU of its own"
        )


def fits(need: Need, hardware: str, config: Config, where: str) -> Iterator[Finding]:
    """Checks that the hardware's memory is sufficient."""
    yield from oversized(need.weights, hardware, config, where)
    room = _room(need, hardware, config)
    if room is None:
        return  # unknown hardware is reported with the card
    if not has_room(need, hardware, config):
        problem = f"model.id: expected a model that fits {hardware} ({room} GB), got one with {need}"
        hint = f"Choose a smaller or a quantized model, larger hardware{_smaller_cache(need)}"
        yield Finding("error", where, problem, hint)
    else:
        yield Finding("note", where, f"the model fits {hardware}: {need}, of {room} GB")


def has_room(need: Need, hardware: str, config: Config) -> bool:
    """Whether the hardware's memory is sufficient; unknown hardware's is."""
    room = _room(need, hardware, config)
    return room is None or need.total <= room * 1e9


def takes_whole(need: Need, config: Config) -> bool:
    """Whether a Space takes a whole GPU on ZeroGPU (xlarge): if its config says so, or its weights are too large."""
    return config.gpu.size == "xlarge" or need.weights > LARGE_WEIGHTS_GIB * GIB


def _room(need: Need, hardware: str, config: Config) -> int | None:
    """GB of memory for the model."""
    return XLARGE_GB if hardware == ZEROGPU and takes_whole(need, config) else HARDWARE.get(hardware)


def _smaller_cache(need: Need) -> str:
    return ", or lower limits.prompt_tokens and limits.concurrency" if need.cache > need.weights / 2 else ""
