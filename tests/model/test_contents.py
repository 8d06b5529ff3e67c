"""A model's files can't ask for code of another repository or for files outside their folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from streamspace.config.model import Adapter, Model
from streamspace.errors import ModelError
from streamspace.model.loading import load
from streamspace.model.placement import Placement
from tests.running import ROOT

CPU = Placement("cpu", "float32", "a test")
CODE = {"id": "", "revision": "0" * 40, "trust_remote_code": True}
PIN = "that of another repository, which no revision pins. Name another model"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "models/tiny", tmp_path / "model"))


def change(file: Path, **values: Any) -> None:
    data = json.loads(file.read_text("utf-8")) if file.exists() else {}
    file.write_text(json.dumps({**data, **values}), "utf-8")


def problem(folder: Path, **settings: Any) -> str:
    with pytest.raises(ModelError) as caught:
        load(Model.model_validate({**settings, "id": str(folder)}), CPU)
    return str(caught.value)


@pytest.mark.parametrize(
    ("file", "values"),
    [
        ("config.json", {"auto_map": {"AutoConfig": "evil/other--configuration_x.X"}}),
        ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": [None, "evil/other--tokenization_x.X"]}}),
        ("processor_config.json", {"auto_map": {"AutoProcessor": "evil/other--processing_x.X"}}),
        ("generation_config.json", {"auto_map": "evil/other--generation_x.X"}),
        ("config.json", {"text_config": {"auto_map": {"AutoConfig": "evil/other--configuration_x.X"}}}),
    ],
)
def test_code_of_another_repository_is_refused_although_the_models_is_pinned(
    folder: Path, file: str, values: dict[str, Any]
) -> None:
    change(folder / file, **values)
    named = "evil/other--" + json.dumps(values).split("--")[1].split('"')[0]
    assert problem(folder, **CODE) == f"model.id: '{folder}': {file}: expected code of its own, got '{named}', {PIN}"


def test_a_model_whose_code_is_not_run_may_name_any(folder: Path) -> None:
    change(folder / "config.json", auto_map={"AutoConfig": "tiiuae/falcon--configuration_falcon.FalconConfig"})
    assert load(Model(id=str(folder)), CPU).context_window == 2048


def test_a_kernel_of_the_hub_is_code_of_another_repository_too(folder: Path) -> None:
    change(folder / "config.json", attn_implementation="evil/attention")
    assert problem(folder).endswith(f"config.json: expected code of its own, got 'evil/attention', {PIN}")


@pytest.mark.parametrize(
    "named", ["../other/model.safetensors", "/etc/passwd", "a/b.safetensors", "..\\other", ".hidden"]
)
def test_an_index_that_names_weights_elsewhere_is_refused(folder: Path, named: str) -> None:
    shutil.copy(folder / "model.safetensors", folder.parent / "model.safetensors")
    (folder / "model.safetensors").unlink()
    change(folder / "model.safetensors.index.json", weight_map={"model.embed_tokens.weight": named}, metadata={})
    assert problem(folder) == (
        f"model.id: '{folder}': model.safetensors.index.json: expected weights beside it, got {named!r}, a file elsewhere. "
        "Name another model"
    )


def test_settings_that_are_no_json_are_left_to_transformers_to_explain(folder: Path) -> None:
    (folder / "config.json").write_text("[" * 100_000)
    assert f"'{folder}' can't be loaded with transformers" in problem(folder)


def test_a_pickled_adapter_is_refused_in_favour_of_safetensors(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "target_modules": ["q_proj"]}))
    torch.save({}, tmp_path / "adapter_model.bin")
    with pytest.raises(ModelError) as caught:
        load(Model(id="./models/tiny", adapter=Adapter(id=str(tmp_path))), CPU)
    assert str(caught.value) == (
        f"model.adapter.id: expected adapter_model.safetensors in '{tmp_path}', found none. Save it in that format: others "
        "can run code when they are loaded"
    )
