"""Quantizes linear layers: torch's int8 on a CPU, otherwise bitsandbytes' int8 and int4.

Why bitsandbytes: docs/decisions/0008-quantization.md.
"""

from __future__ import annotations

import importlib.util
import logging
from typing import Any

import torch
from transformers import BitsAndBytesConfig

from streamspace.config.types import Model
from streamspace.errors import ModelError
from streamspace.model import torch_internals as internals
from streamspace.model.placement import BITSANDBYTES, Placement, needs_bitsandbytes


def check_package(settings: Model, placement: Placement) -> None:
    """Raises ModelError, before anything is downloaded, if the package for quantization isn't installed."""
    needed = needs_bitsandbytes(settings.quantization, placement.device)
    if needed and not importlib.util.find_spec("bitsandbytes"):
        raise ModelError(
            f"model.quantization: expected the bitsandbytes package for {settings.quantization!r} on "
            f"{placement.device}, found none. Add {BITSANDBYTES} to requirements.txt, or set quantization: none"
        )


def check_weights(settings: Model, config: Any) -> None:
    """Raises ModelError if the weights are already quantized, by their config.json, and the config quantizes again."""
    found = [getattr(part, "quantization_config", None) for part in (config, config.get_text_config())]
    if any(found) and settings.quantization != "none":
        raise ModelError(
            f"model.quantization: expected 'none' for {settings.id!r}, whose weights are quantized already, "
            f"got {settings.quantization!r}. Set quantization: none"
        )


def options(settings: Model, placement: Placement) -> dict[str, Any]:
    """Arguments for `from_pretrained` that quantize each weight as it is read; empty where torch quantizes."""
    logging.getLogger("bitsandbytes.autograd").setLevel(logging.ERROR)  # int8 warns of each layer at each token
    if not needs_bitsandbytes(settings.quantization, placement.device):
        return {}
    config: Any = BitsAndBytesConfig
    wanted = config(
        load_in_8bit=settings.quantization == "int8",
        load_in_4bit=settings.quantization == "int4",
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, placement.dtype),
    )
    return {"quantization_config": wanted, "device_map": placement.device}


def dynamic(model: Any) -> Any:
    """The model with int8 linear layers (torch's dynamic quantization; CPU only)."""
    return internals.quantize_linear_layers(model)
