"""Packed layers compute what the others do, in every model that lets them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch.nn import Linear
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

from streamspace.model.packing import PackedLinear, pack
from streamspace.model.torch_internals import has_packed_linear
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
def test_bfloat16_is_packed_where_the_cpu_can() -> None:
    plain = model("llama", torch.bfloat16)
    packed = pack(copy.deepcopy(plain))
    ids = torch.arange(9)[None]
    assert kinds(packed) == {PackedLinear if has_packed_linear(torch.bfloat16) else Linear}  # not on every CPU
    torch.testing.assert_close(packed(ids).logits, plain(ids).logits, rtol=0.05, atol=0.5)


@needs_onednn
@torch.no_grad()
def test_a_layer_whose_weights_the_models_code_reads_is_left_and_the_others_are_packed() -> None:
    config = CONFIG_MAPPING["mamba"](vocab_size=2048, hidden_size=32, num_hidden_layers=2, state_size=4)
    plain = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    packed = pack(copy.deepcopy(plain))
    left = {name.rpartition(".")[2] for name, module in packed.named_modules() if type(module) is Linear}
    assert left == {"dt_proj", "lm_head"}
    ids = torch.arange(9)[None]
    torch.testing.assert_close(packed(ids).logits, plain(ids).logits, rtol=1e-4, atol=1e-4)


@needs_onednn
def test_each_expert_is_packed_also_where_the_first_tokens_need_few_of_them() -> None:
    class Experts(torch.nn.Module):
        """Each in a layer of its own, as models with code of their own have them."""

        dtype = torch.float32

        def __init__(self) -> None:
            super().__init__()
            self.experts = torch.nn.ModuleList(Linear(4, 4) for _ in range(8))

        def generate(self, prompt: torch.Tensor, **asked: Any) -> Any:
            return self.experts[3](torch.zeros(1, 4))

    packed = pack(Experts())
    assert kinds(packed) == {PackedLinear}


@needs_onednn
def test_the_embedded_model_is_packed(tiny: Any) -> None:
    assert kinds(tiny.model) == {PackedLinear}
