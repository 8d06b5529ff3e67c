"""Computes the bytes of a model's weights: stored, loaded, of experts, and read for one token; `memory` compares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from streamspace import gguf
from streamspace.checks.findings import Finding
from streamspace.checks.memory import shown
from streamspace.checks.platform import machine
from streamspace.config.types import Config
from streamspace.model.placement import choose
from streamspace.repository import ROOT

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "int8": 1, "int4": 0.52}  # int4 with its scales: 4.13 bits
PARAMETERS = {"B": 10**9, "M": 10**6}
EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")  # names in config.json
CHOSEN = ("num_experts_per_tok", "top_k_experts", "moe_topk", "moe_k", "experts_per_token")
EXPERT_SIZES = ("moe_intermediate_size", "expert_ffn_hidden_size", "intermediate_size")
DENSE_LAYERS = ("first_k_dense_replace", "num_dense_layers", "moe_layer_start_index")
# Quantized weights that transformers 5.23 unpacks to bfloat16 while it loads them, and the hardware where it does so:
# MXFP4 needs the kernels package, whose kernels are code of other repositories; FP8 needs compute capability 8.9.
UNPACKED = {"mxfp4": ("",), "fp8": ("cpu", "t4", "a10g", "a100")}


def stored(info: ModelInfo) -> int:
    """Bytes of a repository's weights in safetensors."""
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or []}
    names = (name for name in sizes if name.endswith(".safetensors") and "/" not in name)
    return sum(sizes[name] for name in names if not name.startswith("consolidated"))  # Mistral's copy in another format


def loaded(info: ModelInfo, shape: Mapping[str, Any], config: Config, hardware: str) -> tuple[int, int]:
    """Bytes of a repository's weights once they are loaded, and while they are, if those are more."""
    count = info.safetensors.total if info.safetensors else 0
    if quantized := shape.get("quantization_config"):
        unpacked = count and is_unpacked(quantized.get("quant_method"), hardware)
        return int(count * BYTES["bfloat16"]) if unpacked else stored(info), 0
    if not count:
        return stored(info), 0
    weights = weight_bytes(count, shape.get("text_config", shape), config, hardware)
    return weights, loading_bytes(count, weights, config, hardware)


def is_unpacked(method: str | None, hardware: str) -> bool:
    """Whether weights in this format become bfloat16 there."""
    return hardware.startswith(UNPACKED.get(method or "", ()))


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
    return choose(machine(hardware), "cpu" if on_cpu(config, hardware) else "auto").dtype


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


def active_share(count: int, shape: Mapping[str, Any]) -> float:
    """The share of `count` weights that one token reads: all of them, but of a mixture's experts only the chosen."""
    text = shape.get("text_config") or shape
    experts, chosen = min(expert_weights(text), count), _first(text, CHOSEN)
    idle = experts * (1 - chosen / _first(text, EXPERTS)) if experts and chosen else 0
    return 1 - idle / count if count else 1.0


def experts_left(shape: Mapping[str, Any], config: Config, where: str) -> Iterator[Finding]:
    """A finding where quantization leaves experts as they are."""
    if config.model.quantization != "none" and (count := expert_weights(shape)):
        size = shown(count, PARAMETERS)
        problem = f"model.quantization: {config.model.quantization} leaves the experts as they are, {size} of weights"
        yield Finding("warning", where, problem, "Choose weights that are quantized already, with quantization: none")


def loading_bytes(count: int, weights: int, config: Config, hardware: str) -> int:
    """Peak bytes while torch converts float32 to int8 on a CPU, else 0. Measured: 5.3 per parameter."""
    dynamic = config.model.quantization == "int8" and on_cpu(config, hardware)
    return int(count * BYTES["float32"] + weights) if dynamic else 0


def _first(shape: Mapping[str, Any], names: Sequence[str]) -> int:
    return next((shape[name] for name in names if isinstance(shape.get(name), int)), 0)


def on_cpu(config: Config, hardware: str) -> bool:
    """Whether the model is run by the CPU of this hardware."""
    return hardware.startswith("cpu") or config.device == "cpu"
