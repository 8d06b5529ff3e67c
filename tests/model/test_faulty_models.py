"""Models that can't be used here: each says the key at fault, what was found and expected, and the next step."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file

from scripts.models import shapes
from streamspace.config.model import Model
from streamspace.errors import ModelError
from streamspace.model.loading import load
from streamspace.model.placement import Placement
from tests.running import ROOT

CPU = Placement("cpu", "float32", "a test")
VERSION = transformers.__version__
NEWER = "Take a newer transformers in requirements.txt, or another model"
CAUSAL = "Choose a causal language model, as the Hub lists them under Text Generation"
SAFE = "Choose a repository that has them, or convert it: https://huggingface.co/spaces/safetensors/convert"


def problem(folder: Path, task: str = "chat") -> str:
    """What is said of the folder, which it calls HERE."""
    with pytest.raises(ModelError) as caught:
        load(Model(id=str(folder)), CPU, task=task)
    return str(caught.value).replace(str(folder), "HERE")


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "models/tiny", tmp_path / "model"))


def described(folder: Path, **changes: Any) -> Path:
    """With keys of config.json changed; None takes one out."""
    file = folder / "config.json"
    values = {**json.loads(file.read_text("utf-8")), **changes}
    file.write_text(json.dumps({key: value for key, value in values.items() if value is not None}))
    return folder


def pickled(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def without(*patterns: str) -> Callable[[Path], None]:
    def take_out(folder: Path) -> None:
        for pattern in patterns:
            for file in folder.glob(pattern):
                file.unlink()

    return take_out


def as_gguf(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-Q4_K_M.gguf")
    (folder / "model-Q8_0.gguf").touch()  # one alone would be taken


def gguf_alone(folder: Path) -> None:
    as_gguf(folder)
    without("*.json", "*.jinja")(folder)


def with_tekken(folder: Path) -> None:
    without("tokenizer*")(folder)
    (folder / "tekken.json").write_text("{}")


NO_TOKENIZER = (
    "model.id: expected a tokenizer in 'HERE', found no tokenizer.json and no tokenizer.model. Copy the files of its base "
    "model's tokenizer into it, or choose a repository that has them"
)
GGUF = "model.id: expected safetensors in 'HERE', got GGUF files, for example 'model-Q4_K_M.gguf'. Name one of them in model.file"
FAULTS: list[tuple[Callable[[Path], object], str]] = [
    (pickled,
     "model.id: expected safetensors in 'HERE', got 'pytorch_model.bin', a format that can run code when it is loaded. "
     f"{SAFE}"),
    (without("*.safetensors"),
     "model.id: expected safetensors in 'HERE', found no weights. Choose a repository that has them"),
    (as_gguf, GGUF),
    (gguf_alone, GGUF),
    (without("tokenizer*"), NO_TOKENIZER),
    (without("tokenizer.json"), NO_TOKENIZER),
    (lambda folder: described(folder, rope_parameters={"rope_type": "super9", "rope_theta": 1e4}),
     f"model.id: expected a rope_type that transformers {VERSION} knows, got 'super9' in config.json of 'HERE'. {NEWER}"),
    (lambda folder: described(folder, rope_parameters=None, rope_scaling={"type": "super9", "factor": 2.0}),
     f"model.id: expected a rope_type that transformers {VERSION} knows, got 'super9' in config.json of 'HERE'. {NEWER}"),
    (lambda folder: described(folder, model_type="llama9"),
     f"model.id: expected a model_type that transformers {VERSION} knows, got 'llama9' in config.json of 'HERE'. {NEWER}"),
    (lambda folder: described(folder, model_type=None),
     f"model.id: expected a model_type that transformers {VERSION} knows, got None in config.json of 'HERE'. {NEWER}"),
    (lambda folder: (folder / "config.json").write_text("{"),
     f"model.id: 'HERE' can't be loaded with transformers {VERSION}. The log says why"),
    (lambda folder: described(folder, intermediate_size=64),
     "model.id: expected weights of the shapes that config.json of 'HERE' says, got "
     "'model.layers.0.mlp.down_proj.weight' of (192, 512) instead of (192, 64). Take both from the same repository"),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "said"), FAULTS)
def test_a_faulty_folder_says_what_is_at_fault_and_what_to_do(
    copied: Path, fault: Callable[[Path], object], said: str
) -> None:
    fault(copied)
    assert problem(copied) == said


@pytest.mark.skipif(bool(importlib.util.find_spec("mistral_common")), reason="mistral-common is installed")
def test_a_tokenizer_in_mistrals_own_format_names_its_package(copied: Path) -> None:
    with_tekken(copied)
    assert problem(copied) == (
        "model.id: 'HERE' needs a package that isn't installed: mistral-common. Add a line to requirements.txt: "
        "mistral-common"
    )


OTHERS = [  # a type, the class that its makers save, and what is said before weights are looked for
    ("t5", "T5ForConditionalGeneration", f"model.id: expected a causal language model, got 'HERE', an encoder-decoder (t5). {CAUSAL}"),
    ("bart", "BartForConditionalGeneration", f"model.id: expected a causal language model, got 'HERE', an encoder-decoder (bart). {CAUSAL}"),
    ("whisper", "WhisperForConditionalGeneration", f"model.id: expected a causal language model, got 'HERE', an encoder-decoder (whisper). {CAUSAL}"),
    ("bert", "BertForMaskedLM", f"model.id: expected a causal language model, got 'HERE', whose class BertForMaskedLM writes no text. {CAUSAL}"),
    ("bert", "BertModel", f"model.id: expected a causal language model, got 'HERE', whose class BertModel writes no text. {CAUSAL}"),
    ("llama", "LlamaForSequenceClassification", f"model.id: expected a causal language model, got 'HERE', whose class LlamaForSequenceClassification writes no text. {CAUSAL}"),
    ("qwen2_audio", "Qwen2AudioForConditionalGeneration", f"model.id: expected a causal language model, got 'HERE', which isn't one (qwen2_audio). {CAUSAL}"),
    ("llava", "LlavaForConditionalGeneration", "task: expected image-chat for 'HERE', a model that reads images (llava). Set task: image-chat"),
    ("qwen2_vl", "Qwen2VLForConditionalGeneration", "task: expected image-chat for 'HERE', a model that reads images (qwen2_vl). Set task: image-chat"),
    ("paligemma", "PaliGemmaForConditionalGeneration", "task: expected image-chat for 'HERE', a model that reads images (paligemma). Set task: image-chat"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "architecture", "said"), OTHERS, ids=[other[1] for other in OTHERS])
def test_another_kind_of_model_is_told_by_its_config_alone(
    copied: Path, kind: str, architecture: str, said: str
) -> None:
    config = shapes.config(kind, 2048)
    config.architectures = [architecture]
    config.save_pretrained(copied)
    assert problem(copied) == said


@pytest.mark.parametrize(
    ("kind", "package"),
    [("qwen2_vl", "torchvision"), ("smolvlm", "num2words"), ("gemma3n", "timm"), ("mistral3", "torchvision")],
)
def test_a_package_that_a_model_with_images_needs_is_named_before_the_download(
    copied: Path, kind: str, package: str
) -> None:
    if importlib.util.find_spec(package):
        pytest.skip(f"{package} is installed")
    described(copied, model_type=kind, architectures=["ForConditionalGeneration"], vision_config={})
    assert problem(copied, "image-chat") == (
        f"model.id: 'HERE' needs a package that isn't installed: {package}. Add a line to requirements.txt: {package}"
    )


def test_a_model_with_images_that_lacks_its_processor_says_so(copied: Path) -> None:
    described(copied, model_type="llava", architectures=["LlavaForConditionalGeneration"], vision_config={})
    assert problem(copied, "image-chat") == (
        "model.id: expected an image processor in 'HERE', found no preprocessor_config.json. Copy the files of its base "
        "model's processor into it, or choose a repository that has them"
    )
