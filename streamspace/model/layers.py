"""Puts other layers in the place of a model's linear ones; what they are is `packing`'s and `quantization`'s."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.nn import Linear, Module, Parameter
from transformers.pytorch_utils import Conv1D

FORMATS = (torch.float32, torch.bfloat16)


def replace(model: Any, make: Callable[[Linear], Module]) -> None:
    """Replaces each linear layer that the model's code only calls; one whose weights it reads itself stays.

    Which those are is seen when the model writes two tokens. A layer that isn't called then stays as well, unless
    another layer's like it is, as with experts: so does the part of a model that reads images.
    """
    kinds = _only_called(model)
    made: dict[int, Module] = {}
    for name, _ in list(_linear_layers(model)):
        layer = model.get_submodule(name)
        if _kind(name) in kinds:
            if id(layer) not in made:
                made[id(layer)] = make(_as_linear(layer))
            model.set_submodule(name, made[id(layer)])


def _linear_layers(model: Any) -> Iterator[tuple[str, Module]]:
    """By name; a layer that is used in two places comes twice."""
    for name, module in model.named_modules(remove_duplicate=False):
        if type(module) in (Linear, Conv1D) and module.weight.dtype in FORMATS:
            yield name, module


def _kind(name: str) -> str:
    """What layers of the same code have in common."""
    return re.sub(r"\d+", "*", name)


def _as_linear(layer: Any) -> Linear:
    """GPT-2's Conv1D is a linear layer whose weight is the other way round."""
    if isinstance(layer, Linear):
        return layer
    linear = Linear(layer.nx, layer.nf, device="meta")
    linear.weight, linear.bias = Parameter(layer.weight.detach().t().contiguous()), layer.bias
    return linear


class _Watched(Module):
    """A layer that notes whether it is called, and whether anything of it is read."""

    def __init__(self, layer: Module) -> None:
        super().__init__()
        self.layer = [layer]  # in a list, so that it is no submodule
        self.called = self.read = False

    def __getattr__(self, name: str) -> Any:
        self.read = True
        return getattr(self.__dict__["layer"][0], name)

    def forward(self, inputs: torch.Tensor) -> Any:
        self.called = True
        return self.layer[0](inputs)


@torch.no_grad()
def _only_called(model: Any) -> set[str]:
    """The kinds of linear layers that the model calls, and never reads."""
    watched = {name: _Watched(layer) for name, layer in list(_linear_layers(model))}
    for name, layer in watched.items():
        model.set_submodule(name, layer)
    prompt: Any = torch.zeros(1, 2, dtype=torch.long)
    try:
        model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=2, min_new_tokens=2)
    except Exception:  # a model can raise anything where it doesn't write from text alone
        return set()
    finally:
        for name, layer in watched.items():
            model.set_submodule(name, layer.layer[0])
    called = {_kind(name) for name, layer in watched.items() if layer.called}
    return called - {_kind(name) for name, layer in watched.items() if layer.read}
