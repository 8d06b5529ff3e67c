"""Packs a model's linear layers into oneDNN's layout once, instead of in every forward pass."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import Linear, Module, Parameter

from streamspace import switches
from streamspace.model import layers
from streamspace.model import torch_internals as internals


class PackedLinear(Module):
    """A linear layer in oneDNN's layout, as torch's compiler makes it. Inference only."""

    def __init__(self, linear: Linear) -> None:
        super().__init__()
        self.weight = Parameter(internals.pack_weight(linear.weight.detach()), requires_grad=False)
        self.bias = linear.bias

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Inputs of shape (..., in), outputs of shape (..., out)."""
        return internals.packed_linear(inputs, self.weight, self.bias)


def pack(model: Any) -> Any:
    """The model, with its linear layers packed where torch and the model's code allow it.

    About twice as fast on two cores, for one reply and for many (docs/decisions/0004-cpu-weight-packing.md). An output
    layer that shares its weights with the embeddings needs their memory a second time.
    """
    if switches.is_on("packing") and internals.has_packed_linear(model.dtype):
        layers.replace(model, PackedLinear)
    return model
