"""Checks that the hardware supports the config's device, number format and quantization."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from streamspace.checks import gguf_files
from streamspace.checks.findings import Finding, Severity
from streamspace.checks.packages import WHERE
from streamspace.checks.platform import machine
from streamspace.config.types import Config
from streamspace.errors import DeviceError
from streamspace.model.placement import BITSANDBYTES, check_gguf, choose, needs_bitsandbytes

COSTS = {  # a note for each, with a reference
    ("int8", "cpu"): (
        "int8 on a CPU answers a little differently, and rounds by all that share a pass: a reply may differ by a word "
        "from the same one alone",
        "It is made from float32, its only model.dtype: 5 bytes a parameter while it loads, then 1 (embeddings: 4)",
    ),
    ("int8", "cuda"): (
        "int8 on a GPU writes more slowly than without: by 15 to 23% in a model of 176B, by more in small ones",
        "Measured by its authors: https://huggingface.co/blog/hf-bitsandbytes-integration",
    ),
    ("int4", "cuda"): (
        "int4 leaves each weight one of 16 values, so replies differ from those of the full model",
        "Compare a few; how it works: https://huggingface.co/blog/4bit-transformers-bitsandbytes",
    ),
}
PACKAGES = {  # the packages that transformers 5.23 needs for quantized weights, by quantization method
    "awq": ["gptqmodel"],
    "bitsandbytes": ["bitsandbytes"],
    "compressed-tensors": ["compressed-tensors"],
    "gptq": ["optimum", "gptqmodel"],
}


def findings(
    config: Config, hardware: str, wanted: Collection[str], where: str, lacking: Severity = "error"
) -> Iterator[Finding]:
    """Findings for a model that runs in the Space; `wanted` are the packages of requirements.txt.

    `lacking` is how much it matters that one is missing.
    """
    quantization = config.model.quantization
    try:
        placed = choose(machine(hardware), config.device, config.model.dtype, quantization)
        if file := config.model.gguf:
            check_gguf(machine(hardware), config.device, file)
    except DeviceError as error:
        yield Finding("error", where, str(error))
        return
    if config.model.gguf:
        yield from gguf_files.package(config, hardware, placed.device, wanted, lacking)
    if needs_bitsandbytes(quantization, placed.device) and "bitsandbytes" not in wanted:
        problem = f"bitsandbytes: expected a version, for model.quantization: {quantization} on {hardware}, got none"
        yield Finding(lacking, WHERE, problem, f"Add a line: {BITSANDBYTES}")
    if (quantization, placed.device) in COSTS:
        problem, hint = COSTS[quantization, placed.device]
        yield Finding("note", where, f"model.quantization: {problem}", hint)


def ready(config: Config, shape: Mapping[str, Any], wanted: Collection[str], where: str) -> Iterator[Finding]:
    """Findings for weights that are already quantized, by the model's config.json."""
    method = shape["quantization_config"].get("quant_method")
    if config.model.quantization != "none":
        problem = f"expected 'none' for weights that are quantized already, got {config.model.quantization!r}"
        yield Finding("error", where, f"model.quantization: {problem}")
    for package in PACKAGES.get(method, []):
        if package not in wanted:
            problem = f"{package}: expected a version, for weights that are quantized by {method}, got none"
            yield Finding("error", WHERE, problem, f"Add a line: {package}")
