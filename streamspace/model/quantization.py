"""Quantizes linear layers: torch's int8 on a CPU, otherwise bitsandbytes' int8 and int4.

Why bitsandbytes: docs/decisions/0008-quantization.md.
"""

from __future__ import annotations

import importlib.util
import logging
from collections import Counter
from typing import Any

import torch
from transformers import BitsAndBytesConfig

from streamspace.config.model import Model
from streamspace.errors import ModelError
from streamspace.model import torch_internals as internals
from streamspace.model.layers import replace
from streamspace.model.placement import BITSANDBYTES, Placement, needs_bitsandbytes

log = logging.getLogger(__name__)
EMBEDDINGS = "embeddings"
WORTH = 0.1  # of the weights beside the embeddings; with less in int8, nothing would be gained


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


def dynamic(model: Any, name: str) -> Any:
    """The model with int8 linear layers (torch's dynamic quantization; CPU only), where its code allows it.

    Raises ModelError where they hold too little of the model to be worth it.
    """
    replace(model, internals.quantize_linear)
    taken, left = _bytes(model)
    if taken < WORTH * (taken + left.total() - left[EMBEDDINGS]):
        raise ModelError(
            f"model.quantization: expected 'none' for {name!r} on a CPU, where int8 can take only {_shown(taken)} of "
            f"its weights ({_told(left)} would stay in float32), got 'int8'. Set quantization: none"
        )
    log.info("Quantization: %s of weights in int8 now; in float32 stay %s", _shown(taken), _told(left))
    return model


def _bytes(model: Any) -> tuple[int, Counter[str]]:
    """Bytes, as they are in float32, of what is in int8, and of each part that is not."""
    taken, left = 0, Counter[str]()
    for module in model.modules():
        if internals.is_quantized_linear(module):
            taken += 4 * module.in_features * module.out_features
        for parameter in module.parameters(recurse=False):
            left[_part(module, parameter)] += parameter.numel() * parameter.element_size()
    return taken, left


def _part(module: Any, parameter: torch.Tensor) -> str:
    if isinstance(module, torch.nn.Embedding):
        return EMBEDDINGS
    if parameter.dim() == 3 and "Conv" not in type(module).__name__:
        return "experts"
    return "layers that can't be replaced" if parameter.dim() == 2 else "norms and the like"


def _told(left: Counter[str]) -> str:
    """What is left, the most first, without what is next to nothing."""
    parts = [(part, size) for part, size in left.most_common() if size > left.total() / 100]
    return ", ".join(f"{part} ({_shown(size)})" for part, size in parts)


def _shown(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
