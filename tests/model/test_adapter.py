"""LoRA adapters: merged exactly, and each fault of one told under `model.adapter`, with the next step."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import CONFIG_MAPPING, AutoConfig, AutoModelForCausalLM

from streamspace.config.model import Adapter, Model
from streamspace.errors import ModelError
from streamspace.model.loading import load
from streamspace.model.placement import Placement
from tests.engines.test_batching import SMALL
from tests.running import ROOT

peft = pytest.importorskip("peft")
CPU = Placement("cpu", "float32", "a test")
NEXT_STEP = "Name the model that the adapter was made for in model.id"


def made(folder: Path, model: Any, modules: tuple[str, ...] = ("q_proj", "v_proj")) -> Any:
    """Writes an adapter for a model, and returns the model with it."""
    torch.manual_seed(1)
    settings = peft.LoraConfig(
        r=4, target_modules=list(modules), init_lora_weights=False, fan_in_fan_out="c_attn" in modules
    )
    lora = peft.get_peft_model(model, settings)
    lora.save_pretrained(folder)
    return lora


def embedded(**changes: Any) -> Any:
    config = AutoConfig.from_pretrained(ROOT / "models/tiny")
    if not changes:
        return AutoModelForCausalLM.from_pretrained(ROOT / "models/tiny", dtype=torch.float32)
    config.update(changes)
    return AutoModelForCausalLM.from_config(config)


def adapted(name: Path | str) -> Any:
    return load(Model(id="./models/tiny", adapter=Adapter(id=str(name))), CPU).model


def problem(name: Path | str) -> str:
    with pytest.raises(ModelError) as caught:
        adapted(name)
    return str(caught.value)


def test_an_adapter_changes_the_model_and_costs_nothing_per_token(tiny: Any, tmp_path: Path) -> None:
    lora = made(tmp_path, embedded())
    ids = torch.tensor([[5, 6, 7, 8]])
    model = adapted(tmp_path)
    with torch.no_grad():
        expected = lora(ids).logits
        assert torch.allclose(model(ids).logits, expected, atol=1e-3)
        assert not torch.allclose(tiny.model(ids).logits, expected, atol=1e-1)
    assert type(model) is type(tiny.model)


def test_an_adapter_for_another_model_is_a_warning_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made(tmp_path, embedded())
    file = tmp_path / "adapter_config.json"
    for base, said in (("other/llama", True), ("owner/tiny", False), (None, False)):
        caplog.clear()
        file.write_text(json.dumps({**json.loads(file.read_text()), "base_model_name_or_path": base}))
        adapted(tmp_path)
        warning = f"model.adapter.id: '{tmp_path}' was made for 'other/llama', and model.id is './models/tiny'"
        assert (warning in [each.message for each in caplog.records if each.levelno == logging.WARNING]) is said


def test_tensors_of_another_shape_are_named_with_both(tmp_path: Path) -> None:
    made(tmp_path, AutoModelForCausalLM.from_config(CONFIG_MAPPING["llama"](**SMALL)))
    assert problem(tmp_path) == (
        f"model.adapter.id: expected an adapter with tensors of the shapes of './models/tiny', got '{tmp_path}', where "
        f"'model.layers.0.self_attn.q_proj' is [4, 32] instead of [4, 192]. {NEXT_STEP}"
    )


def test_tensors_for_layers_that_the_model_lacks_are_not_passed_over(tmp_path: Path) -> None:
    layers = AutoConfig.from_pretrained(ROOT / "models/tiny").num_hidden_layers
    made(tmp_path, embedded(num_hidden_layers=layers + 2))
    assert problem(tmp_path) == (
        f"model.adapter.id: expected an adapter for the layers of './models/tiny', got '{tmp_path}' with 8 tensors for "
        f"layers that it doesn't have, for example 'model.layers.{layers}.self_attn.q_proj'. {NEXT_STEP}"
    )


def test_modules_that_the_model_lacks_are_named(tmp_path: Path) -> None:
    shape = CONFIG_MAPPING["gpt2"](vocab_size=2048, n_embd=32, n_layer=2, n_head=4)
    made(tmp_path, AutoModelForCausalLM.from_config(shape), ("c_attn",))
    assert problem(tmp_path) == (
        f"model.adapter.id: expected an adapter for the layers of './models/tiny', got '{tmp_path}' for {{'c_attn'}}, "
        f"which it doesn't have. {NEXT_STEP}"
    )


def test_a_folder_that_is_no_adapter_or_has_no_weights_says_which_file_is_missing(tmp_path: Path) -> None:
    made(tmp_path, embedded())
    (tmp_path / "adapter_model.safetensors").unlink()
    assert problem(tmp_path) == (
        f"model.adapter.id: expected adapter_model.safetensors in '{tmp_path}', found none. Save it in that format: others "
        "can run code when they are loaded"
    )
    assert problem("./models/tiny") == (
        "model.adapter.id: expected a LoRA adapter as peft saves it, got './models/tiny', which has no "
        "adapter_config.json. Correct the name"
    )


def test_a_missing_adapter_is_told_as_one() -> None:
    assert problem("owner/lora").startswith("model.adapter.id: 'owner/lora' isn't in the cache")


def test_an_adapter_in_place_of_a_model_says_where_to_name_it(tmp_path: Path) -> None:
    made(tmp_path, embedded())
    with pytest.raises(ModelError) as caught:
        load(Model(id=str(tmp_path)), CPU)
    assert str(caught.value) == (
        f"model.id: expected a whole model, got '{tmp_path}', a LoRA adapter. Name it in model.adapter, and the model "
        "that it was made for in model.id"
    )
