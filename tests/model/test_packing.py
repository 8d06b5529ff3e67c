"""Packed layers compute what the others do, in every model that lets them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch.nn import Linear
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

from streamspace.model.packing import PackedLinear, pack
from tests.engines.test_batching import SHAPES, SMALL

needs_onednn = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")


def model(shape: str, dtype: torch.dtype = torch.float32) -> Any:
    torch.manual_seed(1)
    config = CONFIG_MAPPING[shape.split()[0]](**{**SMALL, **SHAPES[shape]})
    return AutoModelForCausalLM.from_config(config, dtype=dtype).eval()


def kinds(of: Any) -> set[type]:
    return {type(module) for module in of.modules()} & {Linear, PackedLinear}


@needs_onednn
@pytest.mark.parametrize("shape", SHAPES)
@torch.no_grad()
def test_a_packed_model_computes_what_it_did_before(shape: str) -> None:
    plain = model(shape)
    packed = pack(copy.deepcopy(plain))
    assert kinds(packed) == {PackedLinear}
    for length in (1, 8, 40):
        ids = torch.arange(length)[None]
        torch.testing.assert_close(packed(ids).logits, plain(ids).logits, rtol=1e-4, atol=1e-4)


@needs_onednn
@torch.no_grad()
def test_bfloat16_is_packed_too() -> None:
    plain = model("llama", torch.bfloat16)
    packed = pack(copy.deepcopy(plain))
    ids = torch.arange(9)[None]
    assert kinds(packed) == {PackedLinear}
    torch.testing.assert_close(packed(ids).logits, plain(ids).logits, rtol=0.05, atol=0.5)


@torch.no_grad()
def test_a_model_that_reads_its_layers_weights_by_itself_is_left_alone() -> None:
    class Nosy(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = torch.nn.Embedding(10, 4)
            self.layer = Linear(4, 4)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.linear(self.embedding(ids), self.layer.weight)

    nosy = pack(Nosy())
    assert kinds(nosy) == {Linear}
    assert nosy(torch.tensor([[1]])).shape == (1, 1, 4)


@needs_onednn
def test_the_embedded_model_is_packed(tiny: Any) -> None:
    assert kinds(tiny.model) == {PackedLinear}
