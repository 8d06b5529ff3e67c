"""Estimates the memory that a model needs, weights and key/value cache, and compares it with the hardware's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streamspace import gguf
from streamspace.checks.findings import Finding
from streamspace.checks.platform import HARDWARE, LARGE_WEIGHTS_GIB, XLARGE_GB, ZEROGPU, ZEROGPU_DISK_GB, machine
from streamspace.config.types import Config
from streamspace.model.placement import choose
from streamspace.repository import ROOT

GIB = 2**30
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "int8": 1, "int4": 0.52}  # int4 with its scales: 4.13 bits
BINARY = {" GiB": 2**30, " MiB": 2**20}
DECIMAL = {" GB": 10**9, " MB": 10**6}
PARAMETERS = {"B": 10**9, "M": 10**6}
EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")  # names in config.json
EXPERT_SIZES = ("moe_intermediate_size", "expert_ffn_hidden_size", "intermediate_size")
DENSE_LAYERS = ("first_k_dense_replace", "num_dense_layers", "moe_layer_start_index")
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


def local_weights(config: Config) -> int:
    """Bytes of the weights of a local model."""
    if name := config.model.gguf:
        local = ROOT / config.model.id
        folder = local.parent if local.is_file() else local
        return sum(file.stat().st_size for part in gguf.parts(name) if (file := folder / part).is_file())
    return sum(file.stat().st_size for file in (ROOT / config.model.id).glob("*.safetensors"))


def loaded_dtype(config: Config, hardware: str) -> str:
    """The number format that `placement` would choose, as far as the hardware's name determines it."""
    if config.model.dtype != "auto":
        return config.model.dtype
    return choose(machine(hardware), "cpu" if _on_cpu(config, hardware) else "auto").dtype


def weight_bytes(count: int, shape: Mapping[str, Any], config: Config, hardware: str) -> int:
    """Bytes of `count` weights, of which quantization takes the linear layers.

    Embeddings, output layer (but not of int8 on a CPU) and experts keep the number format.
    """
    whole = BYTES[loaded_dtype(config, hardware)]
    if config.model.quantization == "none":
        return int(count * whole)
    kept = shape.get("vocab_size", 0) * shape.get("hidden_size", 0) * (1 if shape.get("tie_word_embeddings") else 2)
    kept = min(kept + expert_weights(shape), count)
    return int(kept * whole + (count - kept) * BYTES[config.model.quantization])


def expert_weights(shape: Mapping[str, Any]) -> int:
    """The number of weights in the experts of a mixture, which transformers keeps in one tensor for all of a layer.

    Three matrices, hidden by intermediate size, for each expert of each layer that has some, by config.json.
    """
    shape = shape.get("text_config") or shape
    experts, size = (_first(shape, names) for names in (EXPERTS, EXPERT_SIZES))
    layers = shape.get("num_hidden_layers") or 0
    if kinds := shape.get("mlp_layer_types"):
        layers = kinds.count("sparse")
    else:
        layers -= min(_first(shape, DENSE_LAYERS), layers)
        layers //= shape.get("decoder_sparse_step") or 1
    return int(3 * layers * experts * size * (shape.get("hidden_size") or 0))


def experts_left(shape: Mapping[str, Any], config: Config, where: str) -> Iterator[Finding]:
    """A finding where quantization leaves experts as they are."""
    if config.model.quantization != "none" and (count := expert_weights(shape)):
        size = shown(count, PARAMETERS)
        problem = f"model.quantization: {config.model.quantization} leaves the experts as they are, {size} of weights"
        yield Finding("warning", where, problem, "Choose weights that are quantized already, with quantization: none")


def _first(shape: Mapping[str, Any], names: Sequence[str]) -> int:
    return next((shape[name] for name in names if isinstance(shape.get(name), int)), 0)


def loading_bytes(count: int, weights: int, config: Config, hardware: str) -> int:
    """Peak bytes while torch converts float32 to int8 on a CPU, else 0. Measured: 5.3 per parameter."""
    dynamic = config.model.quantization == "int8" and _on_cpu(config, hardware)
    return int(count * BYTES["float32"] + weights) if dynamic else 0


def cache_bytes(shape: Mapping[str, Any], config: Config, hardware: str) -> int:
    """Bytes of key/value cache by the model's config.json (its text part), as if every layer had full attention."""
    layers, heads = shape.get("num_hidden_layers", 0), shape.get("num_attention_heads", 0)
    if not layers or not heads:
        return 0
    head = shape.get("head_dim") or shape.get("hidden_size", 0) // heads
    keys = shape.get("num_key_value_heads") or heads
    tokens = config.limits.prompt_tokens + int(config.sampling.max_new_tokens.max)
    tokens = min(tokens, shape.get("max_position_embeddings") or tokens)
    at_once = 1 if hardware == ZEROGPU else config.limits.concurrency  # each ZeroGPU reply has a GPU share of its own
    dtype = "float16" if config.model.gguf else loaded_dtype(config, hardware)  # llama.cpp's own choice
    return int(2 * layers * keys * head * tokens * at_once * BYTES[dtype])


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
    room = _room(need, hardware)
    if room is None:
        return  # unknown hardware is reported with the card
    if not has_room(need, hardware):
        problem = f"model.id: expected a model that fits {hardware} ({room} GB), got one with {need}"
        hint = f"Choose a smaller or a quantized model, larger hardware{_smaller_cache(need)}"
        yield Finding("error", where, problem, hint)
    else:
        yield Finding("note", where, f"the model fits {hardware}: {need}, of {room} GB")


def has_room(need: Need, hardware: str) -> bool:
    """Whether the hardware's memory is sufficient; unknown hardware's is."""
    room = _room(need, hardware)
    return room is None or need.total <= room * 1e9


def _room(need: Need, hardware: str) -> int | None:
    """GB of memory for the model."""
    return XLARGE_GB if hardware == ZEROGPU and need.weights > LARGE_WEIGHTS_GIB * GIB else HARDWARE.get(hardware)


def _smaller_cache(need: Need) -> str:
    return ", or lower limits.prompt_tokens and limits.concurrency" if need.cache > need.weights / 2 else ""


def _on_cpu(config: Config, hardware: str) -> bool:
    return hardware.startswith("cpu") or config.device == "cpu"
