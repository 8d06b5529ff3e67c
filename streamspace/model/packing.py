"""Packs a model's linear layers into oneDNN's layout once, instead of in every forward pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import Linear, Module, Parameter

from streamspace.model import torch_internals as internals

FORMATS = (torch.float32, torch.bfloat16)


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
    if internals.has_packed_linear() and _only_calls_its_layers(model):
        _replace(model, Linear, PackedLinear)
    return model


class _Opaque(Module):
    """A linear layer that can be called, but has no readable weight."""

    def __init__(self, linear: Linear) -> None:
        super().__init__()
        self.linear = [linear]  # in a list, so that it is no submodule

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.linear[0](inputs)
        return outputs


@torch.no_grad()
def _only_calls_its_layers(model: Any) -> bool:
    """Whether the model never reads the weights of its linear layers directly; packed ones are not readable."""
    _replace(model, Linear, _Opaque)
    try:
        model(torch.zeros(1, 1, dtype=torch.long))
    except Exception:  # a model can raise anything when a weight is missing
        return False
    finally:
        _replace(model, _Opaque, lambda opaque: opaque.linear[0])
    return True


def _replace(model: Any, kind: type[Module], make: Callable[[Any], Module]) -> None:
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is kind and (kind is not Linear or child.weight.dtype in FORMATS):
                setattr(parent, name, make(child))
