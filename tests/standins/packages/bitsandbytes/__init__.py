"""Stands in for the bitsandbytes package: the layers that transformers makes of it, with weights of few values.

A model answers with them, is packed by `spaces`, and int8 is read as the real one writes it. Neither small nor fast.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch

__version__ = "0.50.2"
supported_torch_devices = {"cpu", "cuda"}


class Int8Params(torch.nn.Parameter):
    """Quantized once it is sent to a device: whole numbers up to `most`, and `SCB`, what `most` stands for in a row."""

    most = 127

    def __new__(cls, data: torch.Tensor, requires_grad: bool = False, SCB: Any = None, **settings: Any) -> Int8Params:
        made = torch.Tensor._make_subclass(cls, data, requires_grad)
        made.__dict__.update(settings, SCB=SCB)
        return made

    def to(self, *args: Any, **kwargs: Any) -> Int8Params:
        device = torch._C._nn._parse_to(*args, **kwargs)[0]
        rows, settings = self.data.to(device), {**self.__dict__}
        if self.dtype != torch.int8 and device.type != "meta":
            settings["SCB"] = rows.abs().amax(1).float()
            rows = (rows / settings["SCB"][:, None] * self.most).round().to(torch.int8)
        elif self.SCB is not None:
            settings["SCB"] = self.SCB.to(device)
        return type(self)(rows, **settings)


class Params4bit(Int8Params):
    most = 7


class Linear8bitLt(torch.nn.Linear):
    params = Int8Params

    def __init__(self, inputs: int, outputs: int, bias: bool, **settings: Any) -> None:
        super().__init__(inputs, outputs, bias)
        self.weight = self.params(self.weight.data, **settings)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        weight = self.weight.data * (self.weight.SCB / self.weight.most)[:, None]
        return torch.nn.functional.linear(inputs, weight.to(inputs.dtype), self.bias)


class Linear4bit(Linear8bitLt):
    params = Params4bit

    def __init__(self, inputs: int, outputs: int, bias: bool, compute_dtype: torch.dtype, **settings: Any) -> None:
        super().__init__(inputs, outputs, bias, **settings)
        self.compute_dtype = compute_dtype


nn = SimpleNamespace(Int8Params=Int8Params, Params4bit=Params4bit, Linear8bitLt=Linear8bitLt, Linear4bit=Linear4bit)
