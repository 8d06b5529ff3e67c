"""Which engine is chosen, and what it says; and that a model which batching can't do gets the plain one."""

from __future__ import annotations

import dataclasses
import logging
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from transformers import AutoModelForCausalLM, LlamaConfig, MambaConfig, MarianConfig, MarianForCausalLM

from streamspace.config import file as configfile
from streamspace.config.engines import Situation
from streamspace.config.types import Config
from streamspace.engines.batching import HELLO, BatchingEngine
from streamspace.engines.compatibility import GREEDY, incompatibility
from streamspace.engines.generate import GenerateEngine
from streamspace.engines.selection import EngineChoice, choose, make
from streamspace.errors import ConfigError, DeviceError, ModelError
from streamspace.events import Request, TextDelta
from streamspace.model.cores import cores
from streamspace.model.loading import load
from streamspace.model.placement import Placement
from streamspace.reply import build
from tests.running import ROOT, changed


def config(**changes: Any) -> Config:
    return Config.model_validate(changed({key.replace("__", "."): value for key, value in changes.items()}))


CPU = Placement("cpu", "float32", "a test")
SERVER = {"url": "https://models.example/v1"}


@pytest.mark.parametrize(
    ("changes", "machine", "name", "reason"),
    [
        ({}, {}, "batching", "batching because replies can share each pass"),
        ({}, {"device": "cuda"}, "batching", "batching because replies can share each pass"),
        ({}, {"zerogpu": True}, "generate", "generate because on ZeroGPU replies can't share passes"),
        ({}, {"device": "mps"}, "generate", "generate because batching is slow on mps"),
        (
            {"limits__concurrency": 1}, {}, "generate",
            "generate because limits.concurrency is 1, and alone it is quicker",
        ),
        ({"engine": "generate"}, {}, "generate", "generate because the config asks for it"),
        ({"engine": "batching"}, {}, "batching", "batching because the config asks for it"),
        ({"endpoint": SERVER}, {"zerogpu": True}, "endpoint", "endpoint because the config names a server"),
        ({"endpoint": SERVER, "engine": "endpoint"}, {}, "endpoint", "endpoint because the config asks for it"),
    ],
)  # fmt: skip
def test_the_engine_comes_with_its_reason(
    changes: dict[str, Any], machine: dict[str, Any], name: str, reason: str
) -> None:
    assert choose(config(**changes), Situation(**machine)) == EngineChoice(name, reason)


def test_an_engine_that_cannot_run_the_model_is_passed_over_and_said() -> None:
    assert choose(config(), Situation(), {"batching": "no attention"}) == EngineChoice(
        "generate", "generate because batching can't run this model: no attention"
    )


def test_batching_that_is_asked_for_and_cant_be_had_is_an_error() -> None:
    asked = config(engine="batching")
    with pytest.raises(DeviceError) as on_zero:
        choose(asked, Situation(zerogpu=True))
    assert str(on_zero.value) == (
        "engine: expected one that can be used here, got 'batching': on ZeroGPU replies can't share passes. "
        "Set engine: auto"
    )
    with pytest.raises(ModelError) as without:
        choose(asked, Situation(), {"batching": "no attention"})
    assert str(without.value) == (
        "engine: expected auto or generate for './models/tiny', got 'batching', which it can't do: no attention. "
        "Set engine: auto"
    )


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"engine": "endpoint"},
            "endpoint: expected a mapping with the server's url for engine: endpoint, got nothing",
        ),
        (
            {"endpoint": SERVER, "engine": "batching"},
            "engine: expected endpoint or auto, since endpoint names a server, got 'batching'",
        ),
        (
            {"endpoint": SERVER, "task": "completion"},
            "task: expected chat with an endpoint, whose servers take conversations only, got 'completion'",
        ),
        (
            {"endpoint": {"url": "models.example"}},
            "endpoint.url: expected an address that starts with https:// or http://, without a user, a key, ? and #, got "
            "something that isn't repeated here, since it may hold a key",
        ),
    ],
)
def test_an_endpoint_that_doesnt_fit_the_rest_is_a_problem_of_the_file(
    tmp_path: Path, changes: dict[str, Any], problem: str
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(changed(changes)), "utf-8")
    with pytest.raises(ConfigError) as error:
        configfile.read(file)
    assert [line.removeprefix(f"{file}: ").removesuffix(" (null)") for line in error.value.problems] == [problem]


GGUF = {"model.id": "owner/llm-GGUF", "model.file": "llm.gguf", "model.dtype": "auto"}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"model.file": "llm.bin"}, "model.file: expected the path of a .gguf file in the repository or folder model.id, got 'llm.bin'"),
        ({"model.file": "../llm.gguf"}, "model.file: expected the path of a .gguf file in the repository or folder model.id, got '../llm.gguf'"),
        (
            {"model.file": "llm-00002-of-00003.gguf"},
            "model.file: expected the first file of a split model, 'llm-00001-of-00003.gguf', got 'llm-00002-of-00003.gguf'",
        ),
        ({"model.file": None, "engine": "llamacpp"}, "model.file: expected the name of a .gguf file for engine: llamacpp, got nothing"),
        ({"task": "image-chat"}, "task: expected chat with model.file, which is read for conversations of text, got 'image-chat'"),
        ({"task": "completion"}, "task: expected chat with model.file, which is read for conversations of text, got 'completion'"),
        ({"endpoint": SERVER}, "endpoint: expected null with model.file, which is loaded here, got something that isn't repeated here, since it may hold a key"),
        ({"model.dtype": "float32"}, "model.dtype: expected auto with model.file, whose weights are used as they are, got 'float32'"),
        ({"model.attention": "eager"}, "model.attention: expected auto with model.file, whose weights are used as they are, got 'eager'"),
        ({"model.quantization": "int8"}, "model.quantization: expected none with model.file, whose weights are used as they are, got 'int8'"),
        ({"model.adapter": {"id": "o/a"}}, "model.adapter: expected null with model.file, whose weights are used as they are, got a mapping of keys"),
        ({"engine": "generate", "model.dtype": "float32"}, None),
    ],
)  # fmt: skip
def test_a_gguf_file_that_doesnt_fit_the_rest_is_a_problem_of_the_file(
    tmp_path: Path, changes: dict[str, Any], problem: str | None
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(changed({**GGUF, **changes})), "utf-8")
    if problem is None:
        configfile.read(file)
        return
    with pytest.raises(ConfigError) as error:
        configfile.read(file)
    assert [line.removeprefix(f"{file}: ").removesuffix(" (null)") for line in error.value.problems] == [problem]


@pytest.mark.parametrize(
    ("changes", "situation", "reason"),
    [
        ({}, Situation(), "llamacpp because model.file is a GGUF file"),
        ({}, Situation(device="cuda"), "batching because replies can share each pass"),
        ({"engine": "llamacpp"}, Situation(device="cuda"), "llamacpp because the config asks for it"),
        ({"engine": "generate"}, Situation(), "generate because the config asks for it"),
    ],
)
def test_llama_cpp_is_taken_for_a_gguf_file_except_on_a_gpu(
    changes: dict[str, Any], situation: Situation, reason: str
) -> None:
    assert choose(Config.model_validate(changed({**GGUF, **changes})), situation).reason == reason


def test_a_local_path_with_nothing_but_a_gguf_file_needs_no_name_for_it(tmp_path: Path) -> None:
    (tmp_path / "only.gguf").write_bytes(b"GGUF")
    for name in (str(tmp_path), str(tmp_path / "only.gguf")):
        assert (
            choose(Config.model_validate(changed({"model.id": name, "model.dtype": "auto"})), Situation()).name
            == "llamacpp"
        )
    (tmp_path / "model.safetensors").touch()
    assert Config.model_validate(changed({"model.id": str(tmp_path)})).model.gguf is None


def test_the_embedded_models_replies_are_batched(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    pipeline = build.here(config())
    assert isinstance(pipeline.engine, BatchingEngine)
    assert pipeline.engine.capacity == 8 * cores()[0]
    assert "Engine: batching because replies can share each pass" in caplog.messages
    pipeline.engine.close()


def test_a_state_space_model_gets_the_plain_engine_and_the_log_says_why(
    tmp_path: Path, tiny: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    torch.manual_seed(1)
    shape = MambaConfig(
        vocab_size=2048, hidden_size=32, num_hidden_layers=2, state_size=4, bos_token_id=0, eos_token_id=2
    )
    AutoModelForCausalLM.from_config(shape).save_pretrained(tmp_path)
    tiny.tokenizer.save_pretrained(tmp_path)
    pipeline = build.here(config(model__id=str(tmp_path)))
    assert isinstance(pipeline.engine, GenerateEngine)
    (said,) = [message for message in caplog.messages if message.startswith("Engine: ")]
    assert said.startswith("Engine: generate because batching can't run this model: ")
    with pytest.raises(ModelError, match="got 'batching', which it can't do"):
        build.here(config(model__id=str(tmp_path), engine="batching"))


def test_a_model_that_counts_its_positions_itself_is_not_batched_though_its_short_replies_would_be_right(
    tiny: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Its positions begin anew in each pass of a batch; in a model that hardly looks at them, a trial can't see that."""
    caplog.set_level(logging.INFO)
    torch.manual_seed(1)
    shape = MarianConfig(
        vocab_size=2048, d_model=32, decoder_layers=2, decoder_ffn_dim=64, encoder_layers=2,
        decoder_attention_heads=4, encoder_attention_heads=4,
        is_decoder=True, is_encoder_decoder=False, use_cache=True, max_position_embeddings=512,
        bos_token_id=0, eos_token_id=2, pad_token_id=3, decoder_start_token_id=0, forced_eos_token_id=None,
    )  # fmt: skip
    model = MarianForCausalLM(shape).eval()
    model.get_decoder().embed_positions.weight.data.zero_()
    engine = make(config(), Situation(), dataclasses.replace(load(config().model, CPU), model=model))
    assert isinstance(engine, GenerateEngine)
    assert "at which positions the tokens of a shared pass are" in caplog.text


def test_every_shipped_config_names_all_engines() -> None:
    for file in (ROOT / "config").glob("*.yaml"):
        (line,) = [line for line in file.read_text("utf-8").splitlines() if line.startswith("engine:")]
        assert line.endswith("auto, generate, batching, llamacpp, endpoint"), file


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_a_model_that_fails_at_each_decode_step_is_found_out_in_silence_and_left_as_it_was(
    caplog: pytest.LogCaptureFixture, attention: str
) -> None:
    """A batch that is begun anew reads prompt and reply again, which gives one more token each time."""
    caplog.set_level(logging.INFO)
    asked = config(model__attention=attention, limits__concurrency=4)
    loaded = load(asked.model, CPU)
    model, passes = loaded.model, 0

    def fail(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        nonlocal passes
        batched = "cu_seq_lens_q" in kwargs
        passes += batched
        if batched and kwargs["input_ids"].shape[-1] <= 2:  # the prefill has more
            raise ValueError("no decode step")

    model.register_forward_pre_hook(fail, with_kwargs=True)
    engine = make(asked, Situation(), loaded)
    assert isinstance(engine, GenerateEngine)
    assert [message for message in caplog.messages if "Engine" in message] == [
        "Engine: generate because batching can't run this model: no decode step"
    ]
    assert not [record for record in caplog.records if record.exc_info]
    assert passes <= 4
    assert model.config._attn_implementation == attention
    text = "".join(event.text for event in write(engine, "ping") if isinstance(event, TextDelta))
    assert text == "pong"


def write(engine: Any, question: str) -> list[Any]:
    prompt = tuple(engine._tokenizer.apply_chat_template(
        [{"role": "user", "content": question}], add_generation_prompt=True)["input_ids"])  # fmt: skip
    return list(engine.stream(Request(prompt, dataclasses.replace(GREEDY, max_new_tokens=20)), threading.Event()))


def test_batching_is_left_for_images_and_the_log_says_why() -> None:
    assert (
        choose(config(task="image-chat"), Situation()).reason == "generate because replies to images can't be batched"
    )


def test_an_int8_model_that_rounds_by_its_pass_is_batched_all_the_same(tmp_path: Path, tiny: Any) -> None:
    """Two replies at once round otherwise than each alone, which says nothing against batching them."""
    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=2048, hidden_size=256, intermediate_size=688, num_hidden_layers=6, num_attention_heads=4,
        bos_token_id=0, eos_token_id=2,
    )  # fmt: skip
    AutoModelForCausalLM.from_config(shape).save_pretrained(tmp_path)
    tiny.tokenizer.save_pretrained(tmp_path)
    engine = build.here(config(model__id=str(tmp_path), model__quantization="int8")).engine
    plain = GenerateEngine(engine._model, engine._tokenizer)  # type: ignore[attr-defined]
    prompts = [tuple(tiny.tokenizer(text)["input_ids"]) for text in HELLO]
    assert isinstance(engine, BatchingEngine)
    said = {incompatibility(engine, plain, prompts) for _ in range(5)}  # not each time do the two share their passes
    assert said - {None} == {"its text is not the one that generate writes"}
    assert incompatibility(engine, plain, prompts, exact=False) is None
    engine.close()
