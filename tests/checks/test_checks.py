"""`check` finds what the Hub would refuse or ZeroGPU would not run, and says what to do."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import SpaceHardware

from streamspace.checks import cache, description, device_fit, files, memory, packages, platform, templates, weights
from streamspace.checks import card as cards
from streamspace.checks.findings import Finding
from streamspace.hub import card, requirements
from streamspace.hub.upload import File
from tests.hub.test_card import config
from tests.standins.hub.checkout import Checkout

WANTED = requirements.parse(["torch==2.13.0", "gradio==6.31.0", "spaces>=0.51"])
GIB = 2**30


def said(findings: Any) -> list[str]:
    return [str(finding) for finding in findings]


def test_the_shipped_requirements_are_what_zerogpu_runs() -> None:
    assert said(packages.pins("zero-a10g", requirements.read())) == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "torch==2.7.0",
            "requirements.txt: torch: expected a version that ZeroGPU runs (2.8.0, 2.9.1, 2.10.0, 2.11.0, 2.12.1, 2.13.0), "
            "got '==2.7.0'. As of 2026-11; see https://huggingface.co/docs/hub/spaces-zerogpu",
        ),
        (
            "torch>=2.8",
            "requirements.txt: torch: expected a version that ZeroGPU runs (2.8.0, 2.9.1, 2.10.0, 2.11.0, 2.12.1, 2.13.0), "
            "got '>=2.8'. As of 2026-11; see https://huggingface.co/docs/hub/spaces-zerogpu",
        ),
        (
            "spaces==0.51.3",
            "requirements.txt: spaces: expected a lower bound only (spaces>=...), got '==0.51.3'. ZeroGPU brings its own, "
            "and the build fails where the two differ",
        ),
        (
            "gradio>=6",
            "requirements.txt: gradio: expected one version (gradio==...), got '>=6'. The card's sdk_version is made from "
            "it, and the two have to be equal",
        ),
    ],
)
def test_a_pin_that_the_platform_can_not_run_is_an_error(line: str, expected: str) -> None:
    assert said(packages.pins("zero-a10g", {**WANTED, **requirements.parse([line])})) == [expected]


def test_other_hardware_takes_any_torch() -> None:
    assert said(packages.pins("cpu-basic", {**WANTED, **requirements.parse(["torch==2.7.0"])})) == []


def test_a_python_that_zerogpu_does_not_run_is_an_error() -> None:
    assert said(packages.pins("zero-a10g", WANTED, python="3.13")) == [
        "streamspace/hub/card.py: PYTHON: expected a version that ZeroGPU runs (3.12), got '3.13'. As of 2026-11; see "
        "https://huggingface.co/docs/hub/spaces-zerogpu"
    ]


def test_the_hardware_table_holds_every_flavour_that_the_client_knows() -> None:
    assert set(platform.HARDWARE) == {flavour.value for flavour in SpaceHardware}


def test_the_hub_adds_its_own_requirements_and_zerogpu_its_own_versions_of_two() -> None:
    same = ["gradio[oauth,mcp]==6.31.0", "uvicorn>=0.14.0", "websockets>=10.4"]
    assert platform.hub_requirements("6.31.0", "cpu-basic") == [*same, "spaces"]
    assert platform.hub_requirements("6.31.0", "zero-a10g") == [*same, "spaces==0.51.3", "torch<=2.13.0"]


def test_hardware_that_is_not_rented_is_an_error_with_the_nearest_name() -> None:
    (found,) = cards.from_config(config(card__hardware="zero-gpu"), "config/tiny.yaml", "zero-gpu")
    assert str(found).startswith(
        "config/tiny.yaml: card.hardware: expected hardware that the Hub rents, got 'zero-gpu'; did you mean "
        "'zero-a10g'? One of: cpu-basic, "
    )


def test_letters_are_no_emoji() -> None:
    assert said(cards.from_config(config(card__emoji=":rocket:"), "a.yaml", "cpu-basic")) == [
        "a.yaml: card.emoji: expected one emoji, got ':rocket:'"
    ]


def test_a_committed_card_that_agrees_has_no_findings() -> None:
    assert said(cards.from_readme(card.render(config()) + "# Prose\n", config())) == []


def test_a_committed_card_that_disagrees_is_named_key_by_key() -> None:
    readme = card.render(config(card__title="Old", card__pinned=True))
    assert said(cards.from_readme(readme, config())) == [
        "README.md: expected the card that the config makes, got another pinned, title. Run: make card"
    ]


def test_a_card_that_the_hub_would_refuse_says_each_reason() -> None:
    readme = (
        "---\ntitle: a\nemoji: b\ncolorFrom: teal\ncolorTo: red\nsdk: gradio\nsdk_version: 6.3\napp_file: app.py\n"
        f"hardware: t4-small\nshort_description: {'x' * 61}\n---\n"
    )
    found = said(cards.from_readme(readme, config()))
    see = ". See https://huggingface.co/docs/hub/spaces-config-reference"
    assert found[:4] == [
        f"README.md: colorFrom: expected one of red, yellow, green, blue, indigo, purple, pink, gray, got 'teal'{see}",
        f"README.md: sdk_version: expected a version in quotes, because YAML reads 3.10 as 3.1, got 6.3{see}",
        f"README.md: short_description: expected at most 60 characters, got '{'x' * 61}'{see}",
        "README.md: hardware: expected no such key, since the Hub ignores it in favour of suggested_hardware, got "
        f"'t4-small'{see}",
    ]


def test_a_readme_without_front_matter_says_how_to_make_it() -> None:
    assert said(cards.from_readme("# Title\n", config())) == [
        "README.md: expected front matter between two lines ---, found none. Run: make card"
    ]


def whole(*more: File) -> list[File]:
    return [File("app.py", b""), File("requirements.txt", b""), File("models/tiny/a.safetensors", b"x"), *more]


def test_a_secret_in_the_upload_is_found_with_its_line_and_never_repeated() -> None:
    token = "hf_" + "a" * 34
    found = said(files.findings(whole(File("config/x.yaml", f"a: 1\nb: {token}\n".encode())), config(), "a.yaml"))
    assert found == [
        "config/x.yaml:2: expected no secrets in the upload, found a Hugging Face token. Take it out, revoke it (git's "
        "history may hold it too), and give it to the Space with --secret NAME"
    ]
    key = File("streamspace/key.pem", b"-----BEGIN RSA PRIVATE KEY-----\n")
    assert "found a private key" in said(files.findings(whole(key), config(), "a.yaml"))[0]


def test_an_lfs_pointer_is_not_uploaded_as_if_it_were_the_weights() -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4850696\n"
    found = said(files.findings(whole(File("models/tiny/model.safetensors", pointer)), config(), "a.yaml"))
    assert found == [
        "models/tiny/model.safetensors: expected the file itself, got a Git LFS pointer to it. Run: git lfs pull"
    ]


def test_a_local_model_outside_the_repository_can_not_be_deployed() -> None:
    found = said(files.findings(whole()[:2], config(model__id="../elsewhere"), "a.yaml"))
    assert found == [
        "a.yaml: model.id: expected a folder with config.json in this repository, got '../elsewhere', which doesn't lie "
        "inside it. Copy it into the repository, for example into models/, or name a model of the Hub as owner/name"
    ]
    assert said(files.findings(whole()[:2], config(), "a.yaml")) == [
        "a.yaml: model.id: expected *.safetensors inside this repository, found none at './models/tiny'. Copy it into the "
        "repository, for example into models/, or name a model of the Hub as owner/name"
    ]


def test_weights_above_42_gib_take_xlarge_at_twice_the_quota() -> None:
    small, large = int(41.9 * GIB), int(44 * GIB)
    assert said(memory.oversized(small, "zero-a10g", config(), "a.yaml")) == []
    assert said(memory.oversized(large, "zero-a10g", config(), "a.yaml")) == [
        "warning: a.yaml: 44 GiB of weights are above the 42 GiB that fit half a GPU (large): this Space takes xlarge. "
        "That uses up a visitor's daily quota twice as fast"
    ]
    assert said(memory.oversized(large, "a100-large", config(), "a.yaml")) == []
    assert said(memory.oversized(large, "zero-a10g", config(gpu__size="large"), "a.yaml")) == [
        "a.yaml: gpu.size: expected 'xlarge' or 'auto' for 44 GiB of weights (large holds 42 GiB), got 'large'. xlarge "
        "uses up a visitor's daily quota twice as fast"
    ]


def test_the_cache_counts_layers_heads_context_and_replies_at_once() -> None:
    shape = {"num_hidden_layers": 36, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128}
    chosen = config(
        limits__prompt_tokens=8192,
        limits__concurrency=4,
        sampling__max_new_tokens={"default": 512, "min": 16, "max": 2048},
        model__dtype="auto",
    )
    one = 2 * 36 * 8 * 128 * (8192 + 2048) * 2  # keys and values, bfloat16
    assert cache.cache_bytes(shape, chosen, "zero-a10g") == one
    assert cache.cache_bytes(shape, chosen, "a10g-small") == 4 * one
    assert cache.cache_bytes({**shape, "max_position_embeddings": 4096}, chosen, "zero-a10g") == one * 4096 // 10240
    assert cache.cache_bytes({}, chosen, "zero-a10g") == 0


def test_copies_of_a_space_are_for_paid_hardware() -> None:
    asked = config(card__replicas=2)
    assert said(cards.from_config(asked, "a.yaml", "cpu-basic")) == [
        "a.yaml: card.replicas: expected null on cpu-basic, of which a Space has one, got 2. Copies are for paid hardware"
    ]
    assert said(cards.from_config(asked, "a.yaml", "t4-small")) == []


def test_a_model_that_does_not_fit_is_an_error_with_what_to_choose() -> None:
    assert said(memory.fits(memory.Need(15 * GIB, 4 * GIB), "t4-small", config(), "a.yaml")) == [
        "a.yaml: model.id: expected a model that fits t4-small (16 GB), got one with 15.0 GiB of weights and 4.0 GiB of "
        "cache. Choose a smaller or a quantized model, larger hardware"
    ]
    assert said(memory.fits(memory.Need(4 * GIB, 20 * GIB), "a10g-small", config(), "a.yaml"))[0].endswith(
        "larger hardware, or lower limits.prompt_tokens and limits.concurrency"
    )
    assert said(memory.fits(memory.Need(7 * GIB, GIB), "a10g-small", config(), "a.yaml")) == [
        "note: a.yaml: the model fits a10g-small: 7.0 GiB of weights and 1.0 GiB of cache, of 24 GB"
    ]


@pytest.mark.parametrize(
    ("hardware", "changes", "expected"),
    [
        ("zero-a10g", {"model__dtype": "auto"}, "bfloat16"),
        ("t4-small", {"model__dtype": "auto"}, "float16"),
        ("cpu-basic", {"model__dtype": "auto"}, "float32"),
        ("a10g-small", {"model__dtype": "float32"}, "float32"),
    ],
)
def test_the_number_format_follows_the_hardware(hardware: str, changes: dict[str, Any], expected: str) -> None:
    assert weights.loaded_dtype(config(**changes), hardware) == expected


def test_quantized_weights_count_by_their_bits_and_the_rest_by_the_number_format() -> None:
    shape = {"vocab_size": 100_000, "hidden_size": 1000, "tie_word_embeddings": True}
    chosen = config(model__dtype="auto", model__quantization="int4", device="auto")
    kept, layers = 100_000_000, 900_000_000
    assert weights.weight_bytes(kept + layers, shape, chosen, "a10g-small") == kept * 2 + layers * 0.52
    untied = {**shape, "tie_word_embeddings": False}
    assert weights.weight_bytes(2 * kept + layers, untied, chosen, "a10g-small") == 2 * kept * 2 + layers * 0.52
    int8 = config(model__dtype="auto", model__quantization="int8")
    assert weights.weight_bytes(kept + layers, shape, int8, "zero-a10g") == kept * 2 + layers
    assert weights.weight_bytes(kept + layers, shape, int8, "cpu-basic") == kept * 4 + layers
    assert weights.weight_bytes(1_000, {}, config(model__dtype="auto"), "a10g-small") == 2_000


def test_int8_on_a_cpu_has_to_fit_while_it_is_made_from_float32() -> None:
    int8 = config(model__quantization="int8")
    assert weights.loading_bytes(4 * GIB, 5 * GIB, int8, "cpu-basic") == 21 * GIB
    assert weights.loading_bytes(4 * GIB, 5 * GIB, int8, "t4-small") == 0
    assert said(memory.fits(memory.Need(5 * GIB, GIB, 21 * GIB), "cpu-basic", int8, "a.yaml")) == [
        "a.yaml: model.id: expected a model that fits cpu-basic (16 GB), got one with 5.0 GiB of weights (21.0 GiB while "
        "it loads) and 1.0 GiB of cache. Choose a smaller or a quantized model, larger hardware"
    ]


SLOWER = (
    "note: a.yaml: model.quantization: int8 on a GPU writes more slowly than without: by 15 to 23% in a model of 176B, by "
    "more in small ones. Measured by its authors: https://huggingface.co/blog/hf-bitsandbytes-integration"
)
COARSER = (
    "note: a.yaml: model.quantization: int4 leaves each weight one of 16 values, so replies differ from those of the full "
    "model. Compare a few; how it works: https://huggingface.co/blog/4bit-transformers-bitsandbytes"
)
ON_A_CPU = (
    "note: a.yaml: model.quantization: int8 on a CPU answers a little differently, and rounds by all that share a pass: a "
    "reply may differ by a word from the same one alone. It is made from float32, its only model.dtype: 5 bytes a "
    "parameter while it loads, then 1 (embeddings: 4)"
)


@pytest.mark.parametrize(
    ("hardware", "quantization", "expected"),
    [
        ("zero-a10g", "none", []),
        ("cpu-basic", "int8", [ON_A_CPU]),
        ("t4-small", "int8", [SLOWER]),
        ("zero-a10g", "int4", [COARSER]),
    ],
)
def test_each_quantization_says_what_it_costs(hardware: str, quantization: str, expected: list[str]) -> None:
    chosen = config(model__dtype="auto", model__quantization=quantization, device="auto")
    assert said(device_fit.findings(chosen, hardware, {*WANTED, "bitsandbytes"}, "a.yaml")) == expected


def test_the_package_that_quantizes_on_a_gpu_has_to_be_required() -> None:
    chosen = config(model__dtype="auto", model__quantization="int4", device="auto")
    assert said(device_fit.findings(chosen, "zero-a10g", WANTED, "a.yaml")) == [
        "requirements.txt: bitsandbytes: expected a version, for model.quantization: int4 on zero-a10g, got none. Add a "
        "line: bitsandbytes>=0.48",
        COARSER,
    ]


def test_what_the_hardware_can_not_do_is_told_before_the_deploy() -> None:
    chosen = config(model__dtype="auto", model__quantization="int4", device="auto")
    assert said(device_fit.findings(chosen, "cpu-upgrade", WANTED, "a.yaml")) == [
        "a.yaml: model.quantization: expected 'none' or 'int8' on this CPU, got 'int4', slow without AVX-512 BF16. Set "
        "quantization: int8, or give the Space a GPU"
    ]
    assert said(device_fit.findings(config(device="cuda"), "cpu-basic", WANTED, "a.yaml")) == [
        "a.yaml: device: expected one that this machine has (cpu), got 'cuda'. Set device: auto, or give the Space a GPU"
    ]


def test_ready_quantized_weights_need_no_quantization_and_their_package() -> None:
    shape = {"quantization_config": {"quant_method": "gptq"}}
    chosen = config(model__quantization="int8")
    assert said(device_fit.ready(chosen, shape, {*WANTED, "optimum"}, "a.yaml")) == [
        "a.yaml: model.quantization: expected 'none' for weights that are quantized already, got 'int8'",
        "requirements.txt: gptqmodel: expected a version, for weights that are quantized by gptq, got none. Add a line: "
        "gptqmodel",
    ]
    assert said(device_fit.ready(config(), {"quantization_config": {"quant_method": "fp8"}}, WANTED, "a.yaml")) == []


EXPERTS = [  # config.json and the weights of its experts: three matrices for each, in each layer that has some
    ({"num_local_experts": 8, "intermediate_size": 14336, "hidden_size": 4096, "num_hidden_layers": 32},
     3 * 32 * 8 * 14336 * 4096),
    ({"n_routed_experts": 64, "moe_intermediate_size": 1408, "intermediate_size": 10944, "hidden_size": 2048,
      "num_hidden_layers": 27, "first_k_dense_replace": 1}, 3 * 26 * 64 * 1408 * 2048),
    ({"num_experts": 60, "moe_intermediate_size": 1408, "hidden_size": 2048, "num_hidden_layers": 24,
      "decoder_sparse_step": 2}, 3 * 12 * 60 * 1408 * 2048),
    ({"num_experts": 4, "moe_intermediate_size": 8, "hidden_size": 2, "num_hidden_layers": 3,
      "mlp_layer_types": ["dense", "sparse", "sparse"]}, 3 * 2 * 4 * 8 * 2),
    ({"text_config": {"num_experts": 4, "moe_intermediate_size": 8, "hidden_size": 2, "num_hidden_layers": 3}},
     3 * 3 * 4 * 8 * 2),
    ({"intermediate_size": 14336, "hidden_size": 4096, "num_hidden_layers": 32}, 0),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "count"), EXPERTS)
def test_experts_are_counted_by_config_json(shape: dict[str, Any], count: int) -> None:
    assert weights.expert_weights(shape) == count


def test_experts_keep_their_number_format_when_the_rest_is_quantized() -> None:
    shape, experts = EXPERTS[0]
    count = experts + 1_600_000_000
    int8 = config(model__dtype="auto", model__quantization="int8")
    assert weights.weight_bytes(count, shape, int8, "cpu-basic") == 4 * experts + 1_600_000_000
    int4 = config(model__dtype="auto", model__quantization="int4", device="auto")
    assert weights.weight_bytes(count, shape, int4, "a10g-small") == int(2 * experts + 1_600_000_000 * 0.52)
    assert said(weights.experts_left(shape, int8, "a.yaml")) == [
        "warning: a.yaml: model.quantization: int8 leaves the experts as they are, 45.1B of weights. Choose weights that "
        "are quantized already, with quantization: none"
    ]
    assert said(weights.experts_left(shape, config(), "a.yaml")) == []
    assert said(weights.experts_left(EXPERTS[-1][0], int8, "a.yaml")) == []


def described(shape: dict[str, Any], wanted: Any = WANTED, template: str | None = None, **changes: Any) -> list[str]:
    """What is told by the small files of a model."""
    texts = {"config.json": json.dumps(shape), "chat_template.jinja": template or "{{ messages[0].content }}"}
    found = description.findings(config(**changes), texts.get, wanted, "a.yaml")
    return [each for each in said(found) if not each.startswith("note: ")]


LLAMA = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "max_position_embeddings": 2048}


def test_limits_beyond_the_context_window_are_an_error_with_the_numbers_to_write() -> None:
    assert described(LLAMA) == []
    assert described({**LLAMA, "max_position_embeddings": 1536}) == [
        "a.yaml: limits.prompt_tokens and sampling.max_new_tokens: expected 1536 tokens at most together, the context "
        "window of './models/tiny', got 1024 + 1024. Write prompt_tokens: 768 and max_new_tokens: {default: 768, min: 16, "
        "max: 768}"
    ]
    assert described({"model_type": "mamba", "architectures": ["MambaForCausalLM"]}) == []
    assert list(description.findings(config(), lambda name: "[" * 100_000, WANTED, "a.yaml")) == []


@pytest.mark.parametrize(
    ("shape", "task", "problem"),
    [
        ({"model_type": "t5", "architectures": ["T5ForConditionalGeneration"], "is_encoder_decoder": True}, "chat",
         "model.id: expected a causal language model, got './models/tiny', an encoder-decoder (t5). Choose a causal "
         "language model, as the Hub lists them under Text Generation"),
        ({"model_type": "bert", "architectures": ["BertForMaskedLM"]}, "completion",
         "model.id: expected a causal language model, got './models/tiny', whose class BertForMaskedLM writes no text. "
         "Choose a causal language model, as the Hub lists them under Text Generation"),
        ({"model_type": "llava", "architectures": ["LlavaForConditionalGeneration"], "vision_config": {}}, "chat",
         "task: expected image-chat for './models/tiny', a model that reads images (llava). Set task: image-chat"),
        (LLAMA, "image-chat",
         "model.id: expected a model that reads images for task: image-chat, got './models/tiny', which doesn't. Set "
         "task: chat, or choose a vision-language model"),
    ],
)  # fmt: skip
def test_a_model_that_cannot_do_the_task_is_told_by_its_config(shape: dict[str, Any], task: str, problem: str) -> None:
    assert described(shape, task=task) == [f"a.yaml: {problem}"]


def test_a_model_that_reads_images_and_writes_text_alone_too_may_chat() -> None:
    shape = {"model_type": "gemma3", "architectures": ["Gemma3ForConditionalGeneration"], "vision_config": {}}
    assert described(shape) == []
    assert described({**shape, "model_type": "own", "auto_map": {"AutoModelForCausalLM": "a.B"}}) == []


def test_packages_that_a_model_with_images_needs_have_to_be_required() -> None:
    shape = {"model_type": "smolvlm", "architectures": ["SmolVLMForConditionalGeneration"], "vision_config": {}}
    ask = {"task": "image-chat"}
    assert described(shape, **ask) == [
        "requirements.txt: num2words: expected a version, which './models/tiny' needs, got none. Add a line: num2words",
        "requirements.txt: torchvision: expected a version, which './models/tiny' needs, got none. Add a line: torchvision",
    ]
    assert described(shape, [*WANTED, "num2words", "torchvision"], **ask) == []
    assert described({**shape, "model_type": "llava"}, **ask) == []


STRICT = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('take turns') }}{% endif %}{{ m.content }}{% endfor %}"
)


def test_a_template_tells_what_it_refuses() -> None:
    assert said(templates.findings({"chat_template": STRICT, "bos_token": {"content": "<s>"}}, None, "a.yaml")) == [
        "note: a.yaml: the model's chat template refuses a system prompt: it is put in front of the first message instead",
        "note: a.yaml: the model's chat template refuses two messages of the same role in a row: roles have to take turns; "
        "the app sees to it",
    ]


def test_a_model_without_a_template_can_not_chat() -> None:
    assert said(templates.findings({}, None, "a.yaml")) == [
        "a.yaml: task: expected a model with a chat template for 'chat', and this one has none. Choose the instruct version "
        "of the model, or set task: completion"
    ]


def test_a_template_that_renders_nothing_is_an_error_and_can_not_reach_out() -> None:
    (found,) = templates.findings({}, "{{ ''.__class__.__mro__[1].__subclasses__() }}{{ x.y.z }}", "a.yaml")
    assert found.severity == "error"
    assert found.problem.startswith("model.chat_template: expected one that renders a message, got one which doesn't: ")


SWITCHED = "{% if enable_thinking %}<think>{% endif %}{% for m in messages %}{{ m.content }}{% endfor %}"
LEVELLED = "{{ reasoning_effort | default('low') }}{% for m in messages %}{{ m.content }}{% endfor %}"
INSTRUCTED = "{% if '/no_think' not in messages[0].content %}<think>{% endif %}{{ messages[-1].content }}"
UNSWITCHED = "{# enable_thinking #}{% for m in messages %}{{ m.content }}{% endfor %}"


@pytest.mark.parametrize(
    ("template", "choices"),
    [(SWITCHED, "off, on"), (LEVELLED, "low, medium, high"), (INSTRUCTED, "off, on"), (UNSWITCHED, None)],
)
def test_the_choices_of_thinking_are_those_that_change_the_prompt(template: str, choices: str | None) -> None:
    note = f"note: a.yaml: the page has a choice of how the model thinks: {choices}"
    assert said(templates.findings({}, template, "a.yaml")) == ([note] if choices else [])


@pytest.mark.parametrize(
    ("template", "default", "problem"),
    [
        (SWITCHED, "off", None),
        (SWITCHED, None, None),
        (SWITCHED, "low", "expected one of off, on, or null, got 'low'"),
        (LEVELLED, "high", None),
        (LEVELLED, "off", "expected one of low, medium, high, or null, got 'off'"),
        (UNSWITCHED, "on", "expected null, since its chat template has no choice, got 'on'"),
        (None, "on", "expected null, since its chat template has no choice, got 'on'"),
    ],
)
def test_a_default_for_thinking_that_the_model_does_not_have_is_told(
    template: str | None, default: str | None, problem: str | None
) -> None:
    found = described(LLAMA, template=template, thinking__default=default)
    assert found == ([f"warning: a.yaml: thinking.default: {problem}. The app ignores it"] if problem else [])


def test_a_warning_and_a_note_say_so_in_front() -> None:
    finding = Finding("warning", "a.yaml", "something odd", "Do this")
    assert str(finding) == "warning: a.yaml: something odd. Do this"
    assert str(dataclasses.replace(finding, severity="error", hint="")) == "a.yaml: something odd"


def test_the_command_prints_findings_and_has_an_exit_code_for_scripts(tmp_path: Path) -> None:
    here = Checkout(tmp_path / "work", None)
    well = here.run("check", "tiny")
    assert (well.code, well.out, well.err) == (0, "1 config file: no problems\n", "")
    here.change("requirements.txt", "torch==2.13.0", "torch==2.7.0")
    here.change("config/tiny.yaml", "hardware: cpu-basic", "hardware: zero-a10g")
    bad = here.run("check", "tiny", "--json")
    assert bad.code == 2
    (found,) = json.loads(bad.out)
    assert (found["severity"], found["where"]) == ("error", "requirements.txt")
    assert found["hint"] == "As of 2026-11; see https://huggingface.co/docs/hub/spaces-zerogpu"


def test_the_card_command_prints_and_writes(tmp_path: Path) -> None:
    here = Checkout(tmp_path / "work", None)
    here.write("README.md", "# Mine\n")
    assert here.run("card", "tiny").out == card.render(config())
    assert here.run("card", "tiny", "--write").out == "wrote README.md's front matter\n"
    assert (here.folder / "README.md").read_text("utf-8") == card.render(config()) + "# Mine\n"


def test_an_endpoint_says_which_secret_it_needs() -> None:
    assert said(cards.from_config(config(endpoint={}), "a.yaml", "cpu-basic")) == [
        "note: a.yaml: endpoint.secret: the Space needs a secret 'ENDPOINT_KEY' with the server's key. Deploy with --secret "
        "ENDPOINT_KEY"
    ]


def test_a_key_says_which_secret_it_needs() -> None:
    assert said(cards.from_config(config(access={"key": "ACCESS_KEY"}), "a.yaml", "cpu-basic")) == [
        "note: a.yaml: access.key: the Space needs a secret 'ACCESS_KEY' with the key that clients send. Deploy with "
        "--secret ACCESS_KEY"
    ]


def test_an_upload_beyond_what_a_space_holds_is_named(tmp_path: Path) -> None:
    for name, size in (("large", 2_300_000_000), ("huge", 51_000_000_000)):
        with (tmp_path / name).open("wb") as file:
            file.truncate(size)  # a sparse file: nothing is written
    found = said(files.findings(whole(File("models/tiny/large", tmp_path / "large")), config(), "a.yaml"))
    assert found == [
        "warning: a.yaml: 2.3 GB to upload, and a Space's own repository is known to refuse more than 1. Put the model "
        "into a repository of its own, and name it in model.id"
    ]
    found = said(files.findings(whole(File("models/tiny/huge", tmp_path / "huge")), config(), "a.yaml"))
    assert found[0] == "models/tiny/huge: expected at most 50 GB, got 51 GB"


def test_the_packages_that_a_space_needs_are_named() -> None:
    assert said(packages.pins("zero-a10g", {})) == [
        "requirements.txt: gradio: expected one version (gradio==...), got 'none'. The card's sdk_version is made from it, "
        "and the two have to be equal",
        "requirements.txt: spaces: expected the package whose decorator app.py takes, got none",
        "requirements.txt: torch: expected a version that ZeroGPU runs (2.8.0, 2.9.1, 2.10.0, 2.11.0, 2.12.1, 2.13.0), "
        "got 'none'. As of 2026-11; see https://huggingface.co/docs/hub/spaces-zerogpu",
    ]


def test_half_precision_takes_two_bytes_per_weight() -> None:
    for dtype in ("float16", "bfloat16"):
        assert weights.weight_bytes(1000, {}, config(model__dtype=dtype), "a10g-small") == 2000


def test_requirements_are_read_as_on_a_space_whatever_the_computer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    monkeypatch.setattr("sys.platform", "darwin")
    lines = ["a; sys_platform == 'linux'", "b; platform_system == 'Linux'", "c; platform_machine == 'x86_64'"]
    assert list(requirements.parse([*lines, "d; sys_platform == 'darwin'"])) == ["a", "b", "c"]


def test_a_file_that_a_space_needs_is_missed() -> None:
    assert said(files.findings(whole()[1:], config(), "a.yaml")) == [
        "app.py: expected this file, found none. A Space can't run without it"
    ]


def test_a_model_of_the_hub_needs_no_weights_in_the_upload() -> None:
    assert said(files.findings(whole()[:2], config(model__id="owner/llm"), "a.yaml")) == []


def test_a_template_is_given_messages_and_tokens_as_the_app_gives_them() -> None:
    template = (
        "{{ bos_token + eos_token }}{% for m in messages %}{{ m['content'] + '' }}"
        "{% if m['role'] not in ('system', 'user') %}{{ raise_exception('one message only') }}{% endif %}{% endfor %}"
        "{% if not add_generation_prompt %}{{ raise_exception('no place for a reply') }}{% endif %}"
    )
    tokenizer = {"bos_token": "<s>", "eos_token": {"content": "</s>"}}
    assert said(templates.findings(tokenizer, template, "a.yaml")) == [
        "note: a.yaml: the model's chat template refuses an answer that is continued: the history is left out"
    ]


def test_of_several_templates_the_default_is_checked() -> None:
    several = [
        {"name": "tool_use", "template": "{{ 1 + 'x' }}"},
        {"name": "default", "template": "{{ messages[0].content }}"},
    ]
    assert said(templates.findings({"chat_template": several}, None, "a.yaml")) == []
    assert said(templates.findings({"chat_template": several[:1]}, None, "a.yaml")) == [
        "a.yaml: task: expected a model with a chat template for 'chat', and this one has none. Choose the instruct version "
        "of the model, or set task: completion"
    ]


def test_a_template_that_fails_says_what_to_give_instead() -> None:
    begin, own = (
        "a.yaml: model.chat_template: expected one that renders a message, got one which",
        "model.chat_template",
    )
    for template, problem in (
        ("{{ raise_exception('no') }}", f"doesn't: no. Name a .jinja file that works in {own}"),
        ("Hello", f"doesn't: it leaves the message out. Name a .jinja file that works in {own}"),
        (
            "{% if not tools %}{{ raise_exception('tools!') }}{% endif %}{{ messages[0].content }}",
            f"needs tools, and this app offers none. Name a .jinja file that works in {own}",
        ),
        (
            "{% for m in messages %}{% for part in m.content %}{{ part.text }}{% endfor %}{% endfor %}",
            "takes a message only as a list of parts, as models that read images do. Set task: image-chat if the model "
            f"reads images. Otherwise: name a .jinja file that works in {own}",
        ),
    ):
        assert said(templates.findings({}, template, "a.yaml")) == [f"{begin} {problem}"]


def test_a_template_that_marks_what_to_train_on_renders() -> None:
    template = (
        "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}"
        "{% else %}{{ m.content }}{% endif %}{% endfor %}"
    )
    assert said(templates.findings({}, template, "a.yaml")) == []


def test_a_card_without_its_required_keys_and_with_wrong_values_is_refused() -> None:
    readme = "---\ncolorTo: teal\nsdk: gradio\nsdk_version: '6.3'\npython_version: 3.1\nshort_description: " + "x" * 60
    found = said(cards.from_readme(f"{readme}\n---\n", config()))
    see = ". See https://huggingface.co/docs/hub/spaces-config-reference"
    assert found[:-1] == [
        *(f"README.md: {key}: expected a value, got None{see}" for key in ("title", "emoji", "colorFrom", "app_file")),
        f"README.md: colorTo: expected one of red, yellow, green, blue, indigo, purple, pink, gray, got 'teal'{see}",
        f"README.md: python_version: expected a version in quotes, because YAML reads 3.10 as 3.1, got 3.1{see}",
    ]


@pytest.mark.parametrize(
    ("secret", "kind"),
    [
        ("ghp_" + "a" * 36, "a GitHub token"),
        ("AKIA" + "A" * 16, "an AWS key"),
        ("hf_" + "a" * 34, "a Hugging Face token"),
    ],
)
def test_each_kind_of_secret_is_named_with_its_line(secret: str, kind: str) -> None:
    (found,) = files.findings(whole(File("config/x.yaml", f"\nkey: {secret}\n".encode())), config(), "a.yaml")
    assert (found.where, found.problem) == ("config/x.yaml:2", f"expected no secrets in the upload, found {kind}")
