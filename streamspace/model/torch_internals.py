"""What this project needs of torch's private and deprecated parts: all of it is here, and nowhere else.

tests/project/test_private_parts.py names every part, for the day when a newer version has it no more.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch

ROWS = 8  # tokens in a pass that the packed layout is made for: replies that are being decoded, not prompts


def computes_bfloat16() -> bool:
    """Whether the CPU computes in bfloat16, instead of converting."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def has_packed_linear(dtype: torch.dtype) -> bool:
    """Whether `pack_weight` works: torch has oneDNN, and the CPU what that needs for the number format."""
    has_onednn: Any = torch.backends.mkldnn.is_available
    try:
        return bool(has_onednn() and pack_weight(torch.zeros(ROWS, ROWS, dtype=dtype)) is not None)
    except RuntimeError:
        return False


def pack_weight(weight: torch.Tensor) -> torch.Tensor:
    """A linear layer's weight, of shape (out, in), in oneDNN's own layout."""
    packed: torch.Tensor = torch.ops.mkldnn._reorder_linear_weight(weight, ROWS)
    return packed


def packed_linear(inputs: torch.Tensor, packed: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """The layer's outputs, of shape (..., out), for inputs of shape (..., in)."""
    outputs: torch.Tensor = torch.ops.mkldnn._linear_pointwise(inputs, packed, bias, "none", [], "")
    return outputs


class Int8Linear(torch.nn.Module):
    """A linear layer in int8, which quantizes each token's activations by their own range.

    torch quantizes all that share a pass by one range. Models have a first token with activations a thousand times as
    large as others' (Sun et al., arXiv 2402.17762), beside which nothing would be left of these.
    """

    def __init__(self, linear: torch.nn.Linear) -> None:
        super().__init__()
        plain = torch.nn.Linear(linear.in_features, linear.out_features, bias=False, device="meta")
        plain.weight, self.bias = linear.weight, linear.bias
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecated in favour of a package that would be one more to install
            quantize: Any = torch.ao.quantization.quantize_dynamic
            each: Any = torch.ao.quantization.per_channel_dynamic_qconfig
            self.quantized: torch.nn.Module = quantize(torch.nn.Sequential(plain), {torch.nn.Linear: each})[0]

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Outputs of shape (..., out) for inputs of shape (..., in)."""
        if inputs.numel() == inputs.shape[-1]:  # a single token
            outputs: torch.Tensor = self.quantized(inputs)
        else:
            low, high = torch.aminmax(inputs, dim=-1, keepdim=True)
            largest = torch.maximum(high, -low).clamp_min_(torch.finfo(inputs.dtype).tiny)
            outputs = self.quantized(inputs / largest).mul_(largest)
        return outputs if self.bias is None else outputs.add_(self.bias)


def quantize_linear(linear: torch.nn.Linear) -> torch.nn.Module:
    """The layer in int8, with activations quantized as they come; on a CPU only."""
    return Int8Linear(linear)


def is_quantized_linear(module: torch.nn.Module) -> bool:
    """Whether `quantize_linear` has made it."""
    return isinstance(module, torch.ao.nn.quantized.dynamic.Linear)
