"""Tensors as plain bytes and back, for what travels to the model's process beside a prompt."""

from __future__ import annotations

from typing import Any

import torch

from streamspace.events import Tensor


def pack(name: str, tensor: torch.Tensor) -> Tensor:
    """The tensor's values, shape and number format, exactly."""
    # Bytes, because torch pickles a tensor as a file descriptor, which a thread of the sender's would have to serve.
    data = tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    return Tensor(name, str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape), data)


def unpack(packed: Tensor, device: Any) -> torch.Tensor:
    """The same tensor, on a device."""
    values = torch.frombuffer(bytearray(packed.data), dtype=getattr(torch, packed.dtype))
    return values.reshape(packed.shape).to(device)
