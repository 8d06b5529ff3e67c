"""Packs a model's linear layers into the layout that the CPU's kernels compute in: once, instead of at every pass."""

from __future__ import annotations

from typing import Any

import torch

ROWS = 8  # tokens in a pass that the layout is made for: replies that are being written, not prompts
FORMATS = (torch.float32, torch.bfloat16)


class PackedLinear(torch.nn.Module):
    """A linear layer in oneDNN's own layout, as torch's compiler would make it. Inference only."""

    def __init__(self, linear: torch.nn.Linear) -> None:
        super().__init__()
        packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), ROWS)
        self.weight = torch.nn.Parameter(packed, requires_grad=False)
        self.bias = linear.bias

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Inputs of shape (..., in), outputs of shape (..., out)."""
        outputs: torch.Tensor = torch.ops.mkldnn._linear_pointwise(inputs, self.weight, self.bias, "none", [], "")
        return outputs


def pack(model: Any) -> Any:
    """The model, its linear layers packed where this build of torch can. Costs a tied output layer's memory once more.

    About twice as fast on two cores, for one reply and for many (docs/decisions/packed-linear-layers.md).
    """
    if not torch.backends.mkldnn.is_available():
        return model
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is torch.nn.Linear and child.weight.dtype in FORMATS:
                setattr(parent, name, PackedLinear(child))
    return model
