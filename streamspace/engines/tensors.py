"""Tensors as plain bytes and back, for what travels to the model's process beside a prompt."""

from __future__ import annotations

from typing import Any

import torch

from streamspace.events import Tensor


def pack(name: str, tensor: torch.Tensor) -> Tensor:
    """The tensor's values, shape and number format, exactly."""
    stored = _narrow(tensor)
    # Bytes, because torch pickles a tensor as a file descriptor, which a thread of the sender's would have to serve.
    data = stored.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    return Tensor(name, _format(tensor), _format(stored), tuple(tensor.shape), data)


def unpack(packed: Tensor, device: Any) -> torch.Tensor:
    """The same tensor, on a device."""
    values = torch.frombuffer(bytearray(packed.data), dtype=getattr(torch, packed.stored))
    return values.to(device).to(getattr(torch, packed.dtype)).reshape(packed.shape)  # few bytes first, more there


def _narrow(tensor: torch.Tensor) -> torch.Tensor:
    """Masks and kinds of tokens are small numbers, which models want in eight bytes each: one byte does for the way."""
    whole = tensor.dtype in (torch.int64, torch.int32) and tensor.numel() > 0
    return tensor.to(torch.uint8) if whole and tensor.min() >= 0 and tensor.max() < 256 else tensor


def _format(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
