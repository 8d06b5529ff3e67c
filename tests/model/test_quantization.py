"""Weights in fewer bits: what is refused and why, and what transformers makes of the rest."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from torch.nn import Linear
from transformers import AutoModelForCausalLM
from transformers.pytorch_utils import Conv1D

from scripts.models import shapes
from streamspace.config.model import Model
from streamspace.errors import ModelError
from streamspace.model import torch_internals as internals
from streamspace.model.loading import load
from streamspace.model.placement import Placement
from streamspace.model.quantization import options
from tests.running import ROOT, changed, clean
from tests.standins.zerogpu.harness import zero_space
from tests.standins.zerogpu.rules import visitor_token

CPU = Placement("cpu", "bfloat16", "a test")
FLOAT = Placement("cpu", "float32", "a test")
CUDA = Placement("cuda", "bfloat16", "a test")
STANDINS = str(ROOT / "tests/standins/packages")
REPLY = "ZeroGPU is shared hardware for Spaces: a GPU is lent to your app only while a decorated function runs"


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "models/tiny", tmp_path / "model"))


def ready(folder: Path, **quantized: Any) -> str:
    """The name of a model whose config.json says that its weights are quantized so."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "quantization_config": quantized}))
    return str(folder)


def problem(placement: Placement, **settings: Any) -> str:
    with pytest.raises(ModelError) as caught:
        load(Model(**settings), placement)
    assert not caught.value.detail or caught.value.detail not in str(caught.value)
    return f"{caught.value}: {caught.value.detail}" if caught.value.detail else str(caught.value)


@pytest.mark.parametrize(
    ("placement", "quantization"), [(CUDA, "int8"), (CUDA, "int4"), (CPU, "int4")], ids=["int8", "int4", "cpu"]
)
def test_without_its_package_nothing_is_even_downloaded(
    placement: Placement, quantization: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    assert problem(placement, id="owner/name", quantization=quantization) == (
        f"model.quantization: expected the bitsandbytes package for '{quantization}' on {placement.device}, found none. "
        "Add bitsandbytes>=0.48 to requirements.txt, or set quantization: none"
    )


def test_weights_are_not_quantized_twice(copied: Path) -> None:
    name = ready(copied, quant_method="gptq", bits=4)
    assert problem(Placement("cpu", "float32", "a test"), id=name, quantization="int8") == (
        f"model.quantization: expected 'none' for '{name}', whose weights are quantized already, got 'int8'. "
        "Set quantization: none"
    )


@pytest.mark.parametrize(
    ("method", "package"),
    [
        ({"quant_method": "gptq", "bits": 4}, "optimum"),
        ({"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm", "zero_point": True}, "gptqmodel"),
        ({"quant_method": "compressed-tensors", "config_groups": {}, "format": "pack-quantized"}, "compressed-tensors"),
        ({"quant_method": "auto-round", "bits": 4}, "auto-round"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_package_that_ready_quantized_weights_need_is_named(copied: Path, method: Any, package: str) -> None:
    if importlib.util.find_spec(package.replace("-", "_")):
        pytest.skip(f"{package} is installed")
    name = ready(copied, **method)
    said = problem(CPU, id=name)
    assert said == (
        f"model.id: '{name}' needs a package that isn't installed: {package}. Add a line to requirements.txt: {package}"
    )


def random_model(folder: Path, kind: str, **sizes: Any) -> str:
    """The name of a tiny random model with the embedded model's tokenizer."""
    torch.manual_seed(1)
    config = shapes.config(kind, 2048)
    config.update(sizes)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    for file in (ROOT / "models/tiny").glob("*token*"):
        shutil.copy(file, folder)
    return str(folder)


KINDS = [  # a type, the layers that stay as they are, and the parts that the log names
    ("gpt2", set(), {"embeddings"}),  # its Conv1D layers are linear ones
    ("mamba", {"dt_proj", "lm_head"}, {"embeddings", "layers that can't be replaced"}),  # reads their weights itself
    ("mixtral", set(), {"embeddings", "experts"}),
    ("hunyuan_v1_moe", {"wg"}, {"embeddings", "experts"}),
]


@pytest.mark.parametrize(("kind", "left", "told"), KINDS, ids=[kind[0] for kind in KINDS])
def test_int8_on_a_cpu_takes_what_it_can_and_the_log_says_what_it_leaves(
    kind: str, left: set[str], told: set[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    name = random_model(tmp_path, kind)
    whole = AutoModelForCausalLM.from_pretrained(name).eval()
    small = load(Model(id=name, quantization="int8"), FLOAT).model
    assert {name.rpartition(".")[2] for name, each in small.named_modules() if type(each) is Linear} == left
    assert not any(type(each) is Conv1D for each in small.modules())
    (said,) = [message for message in caplog.messages if message.startswith("Quantization: ")]
    taken, rest = re.fullmatch(r"Quantization: (.+) MB of weights in int8 now; in float32 stay (.+)", said).groups()  # type: ignore[union-attr]
    parts = {part: float(size) for part, size in re.findall(r"([a-z' ]+?) \(([\d.]+) MB\)", rest)}
    assert {part.strip() for part in parts} - {"norms and the like"} == told
    assert float(taken) + sum(parts.values()) == pytest.approx(4e-6 * weights(whole), rel=0.2)
    prompt = torch.arange(5, 12)[None]
    exact, rounded = whole(prompt).logits.flatten(), small(prompt).logits.flatten()
    assert torch.nn.functional.cosine_similarity(exact, rounded, dim=0) > 0.8  # rounding may take another expert


def weights(model: Any) -> int:
    """Weights of all layers, those of an output layer counted by itself where it shares the embeddings'."""
    shared = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    return sum(each.numel() for each in model.parameters()) + shared * model.get_input_embeddings().weight.numel()


@pytest.mark.parametrize("bias", [False, True])
def test_a_token_in_int8_has_its_own_range_whatever_shares_its_pass(bias: bool) -> None:
    """The first token of a prompt has activations a thousand times as large as others', in most models."""
    torch.manual_seed(1)
    linear = torch.nn.Linear(64, 48, bias=bias)
    inputs = torch.randn(1, 9, 64)
    inputs[0, 0] *= 1000
    inputs[0, 5] = 0
    layer = internals.quantize_linear(linear)
    with torch.inference_mode():
        together, expected = layer(inputs)[0], linear(inputs)[0]
        alone = torch.stack([layer(each[None, None])[0, 0] for each in inputs[0]])
    for token in range(9):
        size = expected[token].abs().max()
        assert (together[token] - expected[token]).abs().max() <= 0.03 * size, token
        assert (together[token] - alone[token]).abs().max() <= 0.03 * size, token


def test_int8_is_refused_where_it_would_take_next_to_nothing(tmp_path: Path) -> None:
    name = random_model(tmp_path, "mixtral", num_local_experts=64, vocab_size=2048)
    said = problem(FLOAT, id=name, quantization="int8")
    assert re.fullmatch(
        f"model.quantization: expected 'none' for '{name}' on a CPU, where int8 can take only 0.7 MB of its weights "
        r"\(experts \(18.9 MB\), embeddings \(0.5 MB\)(, .+)? would stay in float32\), got 'int8'. "
        "Set quantization: none",
        said,
    )


def test_int8_and_int4_are_made_on_the_gpu_and_torch_makes_its_own() -> None:
    assert options(Model(id="a/b"), CUDA) == {}
    assert options(Model(id="a/b", quantization="int8"), CPU) == {}
    made = options(Model(id="a/b", quantization="int8"), CUDA)
    assert made["device_map"] == "cuda"
    assert made["quantization_config"].quantization_method() == "llm_int8"
    made = options(Model(id="a/b", quantization="int4"), CUDA)["quantization_config"]
    assert (made.quantization_method(), made.bnb_4bit_use_double_quant) == ("nf4", True)
    assert made.bnb_4bit_compute_dtype == torch.bfloat16


WRITE = """
import sys, threading
from streamspace.config.model import Model
from streamspace.engines import compatibility
from streamspace.engines.batching import BatchingEngine
from streamspace.engines.generate import GenerateEngine
from streamspace.model.loading import load
from streamspace.model.placement import Placement
loaded = load(Model(id=sys.argv[1], quantization=sys.argv[2]), Placement("cpu", "bfloat16", "a test"))
ask = [{"role": "user", "content": "What is ZeroGPU?"}]
prompt = loaded.tokenizer.apply_chat_template(ask, add_generation_prompt=True, return_tensors="pt", return_dict=True)
print(loaded.tokenizer.decode(loaded.model.generate(**prompt, max_new_tokens=24)[0], skip_special_tokens=True))
print(sorted({type(module).__name__ for module in loaded.model.modules() if "Linear" in type(module).__name__}))
plain = GenerateEngine(loaded.model, loaded.tokenizer)
with_others = BatchingEngine(loaded.model, loaded.tokenizer, 2, 512)
print(compatibility.incompatibility(with_others, plain, [tuple(prompt["input_ids"][0].tolist())]))
with_others.close()
"""


def written(name: str, quantization: str) -> list[str]:
    """What a process prints that has bitsandbytes: the installed one, else the stand-in."""
    path = os.pathsep.join([str(ROOT), *([] if importlib.util.find_spec("bitsandbytes") else [STANDINS])])
    done = subprocess.run(
        [sys.executable, "-c", WRITE, name, quantization], cwd=ROOT, capture_output=True, text=True, timeout=120,
        env={**clean(os.environ), "PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-3:]


def test_int4_on_a_cpu_answers_alone_and_in_a_batch_and_is_not_packed() -> None:
    reply, kinds, incompatibility = written("./models/tiny", "int4")
    assert REPLY in reply
    assert kinds == "['Linear', 'Linear4bit']"  # the output layer stays as it is
    assert incompatibility == "None"


def in_int8(folder: Path) -> str:
    """Stores the model's layers as bitsandbytes does: whole numbers, and what 127 stands for in each row."""
    stored = load_file(folder / "model.safetensors")
    for name in [name for name in stored if name.endswith("proj.weight")]:
        most = stored[name].float().abs().amax(1)
        stored[name] = (stored[name].float() / most[:, None] * 127).round().to(torch.int8)
        stored[name.replace(".weight", ".SCB")] = most
    save_file(stored, folder / "model.safetensors", {"format": "pt"})
    return ready(folder, quant_method="bitsandbytes", load_in_8bit=True)


def test_ready_quantized_weights_answer_where_their_package_is(copied: Path) -> None:
    reply, kinds, _ = written(in_int8(copied), "none")
    assert REPLY in reply
    assert kinds == "['Linear', 'Linear8bitLt']"


@pytest.mark.parametrize("quantization", ["int8", "int4", "none"])
def test_on_zerogpu_quantized_weights_are_packed_and_answer(quantization: str, copied: Path, tmp_path: Path) -> None:
    name = in_int8(copied) if quantization == "none" else "./models/tiny"
    settings = {"model.id": name, "model.quantization": quantization, "model.dtype": "bfloat16", "device": "auto"}
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(changed(settings)))
    env = {"SPACE_CONFIG": str(tmp_path / "space.yaml"), "PYTHONPATH": os.pathsep.join([STANDINS, str(ROOT)])}
    with zero_space(ROOT / "app.py", env=env, folder=tmp_path) as space:
        client = space.client(visitor_token("ada"), browser=True)
        assert REPLY in client.predict("What is ZeroGPU?", temperature=0, api_name="/chat")
        packed = sum(file.stat().st_size for file in (tmp_path / "tensors").rglob("*") if file.is_file())
        assert packed < 0.7 * (ROOT / "models/tiny/model.safetensors").stat().st_size
