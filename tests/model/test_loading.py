"""Loading: what can go wrong with a model's files, each with the exact line that its owner reads."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from streamspace.config.model import Model
from streamspace.errors import ModelError
from streamspace.model.files import fetch_gguf
from streamspace.model.generation import end_tokens
from streamspace.model.loading import load
from streamspace.model.placement import Placement
from streamspace.model.templates import check_template
from streamspace.prompt.builder import PromptBuilder
from streamspace.prompt.conversation import Turn
from streamspace.prompt.prompt import Conversation
from tests.running import ROOT
from tests.standins import gguf_file, vision

CPU = Placement("cpu", "float32", "a test")


def problem(model_id: str, **settings: Any) -> str:
    with pytest.raises(ModelError) as caught:
        load(Model(id=model_id, **settings), CPU)
    assert not caught.value.detail or caught.value.detail not in str(caught.value)
    return f"{caught.value}: {caught.value.detail}" if caught.value.detail else str(caught.value)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "models/tiny", tmp_path / "model"))


def test_the_embedded_model_loads_whole(tiny: Any) -> None:
    assert tiny.context_window == 2048
    assert tiny.model.dtype == torch.float32
    assert not tiny.model.training


def test_a_missing_folder_is_told_apart_from_an_empty_one(tmp_path: Path) -> None:
    end = "Correct the path, which starts at the repository's root, or name a model of the Hub as owner/name"
    assert problem("./models/tinny") == (
        f"model.id: expected a folder with a model, got './models/tinny', no such folder. {end}"
    )
    assert problem(str(tmp_path)) == (
        f"model.id: expected a folder with a model, got '{tmp_path}', a folder without config.json. {end}"
    )


def test_damaged_weights_are_told_as_such(copied: Path) -> None:
    weights = copied / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100_000])
    said = problem(str(copied))
    assert said.startswith(f"model.id: the weights of '{copied}' are damaged. Download or copy them again: ")


def test_a_git_lfs_pointer_is_told_as_such(copied: Path) -> None:
    (copied / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n")
    assert problem(str(copied)) == (
        f"model.id: expected weights in 'model.safetensors' of '{copied}', got a Git LFS pointer. Run: git lfs pull"
    )


def test_weights_that_lack_tensors_are_refused(copied: Path) -> None:
    tensors = load_file(copied / "model.safetensors")
    gone = sorted(name for name in tensors if "layers.1." in name)
    save_file(
        {name: tensor for name, tensor in tensors.items() if name not in gone},
        copied / "model.safetensors",
        {"format": "pt"},
    )
    assert problem(str(copied)) == (
        f"model.id: the weights of '{copied}' lack {len(gone)} tensors, for example '{gone[0]}'. "
        "Is it an incomplete copy, or a model without an output layer for text?"
    )


def test_an_architecture_that_transformers_does_not_know_is_told(copied: Path) -> None:
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps({**config, "model_type": "llama9"}))
    assert "llama9" in problem(str(copied))


def test_without_network_a_hub_model_is_told_as_out_of_reach() -> None:
    assert problem("owner/name").startswith(
        "model.id: 'owner/name' isn't in the cache, and the Hub can't be reached from here. Check the network "
        "(HF_HUB_OFFLINE is 1), or use a local folder as model.id"
    )


def test_a_name_that_the_hub_would_not_take_is_told() -> None:
    assert problem("a b/c d").startswith(
        "model.id: expected owner/name of the Hub or a folder such as ./models/tiny, got 'a b/c d': Repo id must"
    )


def test_a_missing_chat_template_file_is_told() -> None:
    assert problem("./models/tiny", chat_template="config/nope.jinja") == (
        "model.chat_template: expected a .jinja file, found none at 'config/nope.jinja'"
    )


def test_a_chat_template_file_replaces_the_models_own(tmp_path: Path) -> None:
    file = tmp_path / "own.jinja"
    file.write_text("{{ messages[0].content }}")
    loaded = load(Model(id="./models/tiny", chat_template=str(file)), CPU)
    assert loaded.tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False) == "Hi"


def test_int8_answers_as_the_full_model_does(tiny: Any) -> None:
    small = load(Model(id="./models/tiny", quantization="int8"), CPU).model
    prompt = tiny.tokenizer.apply_chat_template(
        [{"role": "user", "content": "ping"}], add_generation_prompt=True, return_tensors="pt"
    )
    texts = [tiny.tokenizer.decode(model.generate(**prompt, max_new_tokens=8)[0]) for model in (tiny.model, small)]
    assert texts[0] == texts[1]
    assert any(
        "Quantized" in type(module).__name__ or module.__module__.startswith("torch.ao") for module in small.modules()
    )


DECIDING = [  # what a model's own generation config may hold; each broke streaming, a batch, or the load
    {"num_beams": 4}, {"penalty_alpha": 0.6, "top_k": 4}, {"stop_strings": ["ZeroGPU"]}, {"max_time": 0.0},
    {"min_new_tokens": 60}, {"min_length": 500}, {"num_return_sequences": 2, "do_sample": True}, {"max_new_tokens": 1},
    {"repetition_penalty": 5.0}, {"no_repeat_ngram_size": 1}, {"suppress_tokens": [5, 6, 7]},
    {"temperature": 9.0, "do_sample": True, "min_p": 0.9}, {"cache_implementation": "static"}, {"use_cache": False},
]  # fmt: skip


@pytest.mark.parametrize("own", DECIDING, ids=lambda own: next(iter(own)))
def test_a_models_generation_config_decides_nothing_but_the_end(copied: Path, own: dict[str, Any], tiny: Any) -> None:
    file = copied / "generation_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text("utf-8")), **own}))
    assert load(Model(id=str(copied)), CPU).model.generation_config.to_dict() == tiny.model.generation_config.to_dict()


def test_a_reply_ends_where_model_tokenizer_or_template_end_it(copied: Path, tiny: Any) -> None:
    """A fine-tuned model often keeps the generation config of its base model, which never ends a turn."""
    end = tiny.tokenizer.convert_tokens_to_ids("<|im_end|>")
    base = tiny.tokenizer.convert_tokens_to_ids("<|endoftext|>")
    file = copied / "generation_config.json"
    for own in (base, [base], None):
        file.write_text(json.dumps({**json.loads(file.read_text("utf-8")), "eos_token_id": own}))
        assert end in load(Model(id=str(copied)), CPU).model.generation_config.eos_token_id


PARTS = (  # of a model that reads images: nothing but the tokens around it is written of a plain text
    "{% for m in messages %}<|im_start|>{% for part in m.content %}{{ part.text if part.text is defined else '' }}"
    "{% endfor %}<|im_end|>{% endfor %}"
)
CHANNELS = (
    "{% for m in messages %}<|start|>{{ m.role }}<|channel|>final<|message|>{{ m.content }}<|im_end|>{% endfor %}"
)


@pytest.mark.parametrize(
    ("template", "ends"),
    [
        ("{% for m in messages %}{{ m.content }}<|im_end|>\n{% endfor %}", True),
        ("{% for m in messages %}{{ m.content }}\n{% endfor %}", False),
        (PARTS, True),
        (CHANNELS, False),  # the same token ends each channel, and the reply goes on
        ("{{ raise_exception('no') }}", False),
        (None, False),
    ],
)
def test_the_templates_end_of_a_turn_ends_a_reply(tiny: Any, template: str | None, ends: bool) -> None:
    tokenizer = copy.deepcopy(tiny.tokenizer)
    tokenizer.chat_template, tokenizer.eos_token = template, "<|endoftext|>"
    turn = tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert (turn in end_tokens(None, tokenizer)) is ends
    assert end_tokens(7, tokenizer) == [7, tokenizer.eos_token_id, *[turn] * ends]


def test_a_model_that_reads_images_is_loaded_with_its_processor(vision_loaded: Any) -> None:
    assert type(vision_loaded.model).__name__ == "Idefics3ForConditionalGeneration"
    assert isinstance(vision_loaded.processor, transformers.Idefics3Processor)
    assert vision_loaded.tokenizer is vision_loaded.processor.tokenizer
    assert vision_loaded.tokenizer.chat_template == vision.TEMPLATE
    assert vision_loaded.context_window == 2048


def test_a_model_of_text_is_refused_for_images() -> None:
    with pytest.raises(ModelError) as caught:
        load(Model(id="./models/tiny"), CPU, task="image-chat")
    assert str(caught.value) == (
        "model.id: expected a model that reads images for task: image-chat, got './models/tiny', which doesn't. "
        "Set task: chat, or choose a vision-language model"
    )


def test_a_tokenizer_in_mistrals_own_format_renders_as_mistrals_own_package_does(tmp_path: Path) -> None:
    data = pytest.importorskip("mistral_common", reason="mistral-common isn't installed")
    config = transformers.MistralConfig(
        vocab_size=131_072, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    shutil.copy(Path(data.__file__).parent / "data/tekken_240911.json", tmp_path / "tekken.json")
    loaded = load(Model(id=str(tmp_path)), CPU)
    check_template(loaded.tokenizer, "chat", "owner/mistral")
    prompt = PromptBuilder(loaded.tokenizer, 4096, 1024).chat(
        Conversation("Be brief.", [Turn("user", "Hello, café!")]), 10
    )
    own = transformers.MistralCommonBackend.from_pretrained(tmp_path)
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello, café!"}]
    assert list(prompt.ids) == own.apply_chat_template(messages)["input_ids"]


@pytest.mark.parametrize("named", [True, False])
def test_a_gguf_file_read_by_transformers_writes_what_the_safetensors_do(
    tiny: Any, tmp_path: Path, named: bool
) -> None:
    gguf_file.write(tmp_path / "tiny.gguf")
    read = load(Model(id=str(tmp_path), file="tiny.gguf" if named else None), CPU)
    messages = [{"role": "user", "content": "What is ZeroGPU?"}]
    replies = []
    for loaded in (read, tiny):
        ids = loaded.tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt")[
            "input_ids"
        ]
        replies.append(loaded.model.generate(ids, max_new_tokens=60, do_sample=False)[0].tolist())
    assert replies[0] == replies[1]
    assert read.context_window == 2048


def test_a_gguf_file_may_be_a_link_to_one_with_another_name_as_in_the_hubs_cache(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "snapshot").mkdir()
    blob, link = tmp_path / "blobs/0a1b", tmp_path / "snapshot/tiny.gguf"
    gguf_file.write(tmp_path / "tiny.gguf").rename(blob)
    link.symlink_to(blob)
    assert fetch_gguf(Model(id=str(link))) == link
    assert fetch_gguf(Model(id=str(link.parent), file="tiny.gguf")) == link


def test_a_gguf_file_that_is_missing_split_or_one_of_several_is_told(tmp_path: Path) -> None:
    gguf_file.write(tmp_path / "a.gguf")
    (tmp_path / "b.gguf").write_bytes(b"GGUF")
    assert problem(str(tmp_path)) == (
        f"model.id: expected safetensors in '{tmp_path}', got GGUF files, for example 'a.gguf'. Name one of them in "
        "model.file"
    )
    assert problem(str(tmp_path), file="c.gguf") == (
        f"model.file: expected a file of '{tmp_path}', found none called 'c.gguf'. `python -m streamspace check --online` "
        "lists those of a model on the Hub"
    )
    for number in (1, 2):
        (tmp_path / f"c-0000{number}-of-00002.gguf").write_bytes(b"GGUF")
    assert problem(str(tmp_path), file="c-00001-of-00002.gguf") == (
        "model.file: expected one file, got 'c-00001-of-00002.gguf', the first of 2, which only llama.cpp reads. Set "
        "engine: llamacpp, or choose a file that isn't split"
    )
