"""Tensors as they go to the GPU worker: packed into bytes, and the same when they are unpacked."""

from __future__ import annotations

import pickle

import pytest
import torch

from streamspace.engines.tensors import pack, unpack


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.bool])
def test_a_tensor_is_the_same_after_its_journey(dtype: torch.dtype) -> None:
    tensor = (torch.arange(24).reshape(2, 3, 4) * 3 - 7).to(dtype).transpose(0, 2)
    again = unpack(pickle.loads(pickle.dumps(pack("x", tensor))), "cpu")
    assert again.dtype == dtype
    assert torch.equal(again, tensor)


def test_a_mask_travels_as_a_byte_each() -> None:
    mask = torch.ones(1, 20, 10, dtype=torch.int64)
    packed = pack("mask", mask)
    assert (packed.dtype, packed.stored, len(packed.data)) == ("int64", "uint8", 200)
    assert torch.equal(unpack(packed, "cpu"), mask)
