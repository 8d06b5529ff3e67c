"""`check` of a GGUF model: the package, the file, and on the Hub the repository's files and what fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streamspace.checks import cache, device_fit, gguf_files, weights
from streamspace.config.types import Config
from streamspace.hub import card
from tests.running import changed
from tests.standins import gguf_file
from tests.standins.hub.checkout import Checkout
from tests.standins.hub.server import Hub

FILE = "llm-q4_k_m.gguf"
README = b"---\nlicense: apache-2.0\n---\n"


def config(**changes: Any) -> Config:
    settings = {"model.id": "owner/llm-GGUF", "model.file": FILE, "model.dtype": "auto", **changes}
    return Config.model_validate(changed(settings))


def said(found: Any) -> list[str]:
    return [str(each) for each in found]


def test_the_package_that_reads_the_file_has_to_be_required() -> None:
    assert said(device_fit.findings(config(), "cpu-basic", {"torch"}, "a.yaml")) == [
        "requirements.txt: xllamacpp: expected a version, for model.file on cpu-basic (engine: llamacpp), got none. Add a "
        "line: xllamacpp>=2026.10"
    ]
    assert said(device_fit.findings(config(), "cpu-basic", {"xllamacpp"}, "a.yaml")) == []
    assert said(device_fit.findings(config(device="auto"), "t4-small", {"xllamacpp"}, "a.yaml")) == [
        "requirements.txt: gguf: expected a version, for model.file on t4-small (engine: batching), got none. Add a line: "
        "gguf>=0.17"
    ]


def test_zerogpu_is_refused_unless_the_config_asks_for_its_cpu() -> None:
    assert said(device_fit.findings(config(device="auto"), "zero-a10g", {"xllamacpp"}, "a.yaml")) == [
        f"a.yaml: model.file: expected a model in safetensors on ZeroGPU, got '{FILE}': llama.cpp runs it on a CPU, and "
        "leaves the GPU unused. Set card.hardware: cpu-basic, or name the original model, with file: null"
    ]
    assert said(device_fit.findings(config(device="cpu"), "zero-a10g", {"xllamacpp"}, "a.yaml")) == []


def test_only_that_file_is_preloaded() -> None:
    sha = "0" * 40
    assert card.preload(config(), []) == [f"owner/llm-GGUF {FILE}"]
    assert card.preload(config(**{"model.revision": sha}), ["other"]) == [f"owner/llm-GGUF {FILE} {sha}"]
    assert card.preload(config(**{"model.revision": "branch"}), []) == []
    split = config(**{"model.file": "q8/llm-00001-of-00002.gguf"})
    assert card.preload(split, []) == ["owner/llm-GGUF q8/llm-00001-of-00002.gguf,q8/llm-00002-of-00002.gguf"]


def test_its_cache_is_counted_in_16_bits() -> None:
    shape = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 64}
    tokens = config().limits.prompt_tokens + config().sampling.max_new_tokens.max
    assert cache.cache_bytes(shape, config(), "cpu-basic") == 2 * 2 * 64 * tokens * config().limits.places * 2


def test_a_local_model_is_weighed_by_all_of_its_files(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"llm-0000{number}-of-00002.gguf").write_bytes(bytes(100))
    assert weights.local_weights(config(**{"model.id": str(tmp_path), "model.file": None})) == 200
    (tmp_path / "one.gguf").write_bytes(bytes(30))
    assert weights.local_weights(config(**{"model.id": str(tmp_path / "one.gguf"), "model.file": None})) == 30


@pytest.fixture
def here(here: Checkout) -> Checkout:
    here.change("config/tiny.yaml", "id: ./models/tiny", "id: owner/llm-GGUF")
    here.change("config/tiny.yaml", "dtype: float32", "dtype: auto")
    return here


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    return gguf_file.write(tmp_path / "tiny.gguf").read_bytes()


def test_a_repository_of_gguf_files_gets_the_lines_to_write(here: Checkout, hub: Hub, content: bytes) -> None:
    files = {FILE: content, "llm-q8_0.gguf": content + bytes(5_000_000), "mmproj-llm.gguf": content}
    hub.add_model("owner/llm-GGUF", {**files, "README.md": README})
    found = here.run("check", "tiny", "--online")
    assert (found.code, found.err) == (
        2,
        "config/tiny.yaml: model.file: expected one of the GGUF files of 'owner/llm-GGUF', got none; for cpu-basic there "
        f"are {FILE} (9.8 MB), llm-q8_0.gguf (14.8 MB). Write:\n"
        "  model:\n"
        "    id: owner/llm-GGUF\n"
        f"    file: {FILE}\n",
    )


def test_the_named_file_is_weighed_and_the_others_are_listed(here: Checkout, hub: Hub, content: bytes) -> None:
    hub.add_model("owner/llm-GGUF", {FILE: content, "llm-q8_0.gguf": content + bytes(5_000_000), "README.md": README})
    here.change("config/tiny.yaml", "file: null", f"file: {FILE}")
    found = here.run("check", "tiny", "--online")
    assert found.code == 0, found
    assert (
        f"note: config/tiny.yaml: the GGUF files of owner/llm-GGUF, by what fits cpu-basic: {FILE} (9.8 MB), "
        "llm-q8_0.gguf (14.8 MB)\n"
        "note: config/tiny.yaml: the model fits cpu-basic: 9.3 MiB of weights and 3.8 MiB of cache, of 16 GB\n"
        "note: config/tiny.yaml: the page has a choice of how the model thinks: off, on\n"
    ) in found.out


def test_a_file_that_is_not_there_and_one_that_is_no_model_are_told(here: Checkout, hub: Hub, content: bytes) -> None:
    hub.add_model("owner/llm-GGUF", {"llm-q8_0.gguf": content, "README.md": README})
    here.change("config/tiny.yaml", "file: null", f"file: {FILE}")
    assert (
        f"got '{FILE}'; for cpu-basic there are llm-q8_0.gguf (9.8 MB). Write:\n"
        in here.run("check", "tiny", "--online").err
    )
    hub.add_model("owner/llm-GGUF", {"README.md": README})
    assert here.run("check", "tiny", "--online").err == (
        "config/tiny.yaml: model.file: expected a repository with .gguf files, got 'owner/llm-GGUF', which has none. "
        "Publishers of GGUF files name their repositories ...-GGUF\n"
    )


def local(folder: Path, **changes: Any) -> list[str]:
    settings = {"model.id": str(folder), **changes}
    return [each for each in said(gguf_files.here(config(**settings), "a.yaml")) if not each.startswith("note: ")]


def test_a_file_here_is_looked_at_as_one_on_the_hub_is(tmp_path: Path) -> None:
    gguf_file.write(tmp_path / FILE, template="{{ messages[0].content }}")
    assert local(tmp_path) == []
    assert local(tmp_path, **{"thinking.default": "low", "limits.prompt_tokens": 2000}) == [
        "a.yaml: limits.prompt_tokens and sampling.max_new_tokens: expected 2048 tokens at most together, the context "
        f"window of '{tmp_path}', got 2000 + 1024. Write prompt_tokens: 1024 and max_new_tokens: {{default: 768, min: 16, "
        "max: 1024}",
        "warning: a.yaml: thinking.default: expected null, since its chat template has no choice, got 'low'. The app "
        "ignores it",
    ]


def test_a_file_here_that_is_missing_or_no_gguf_is_told(tmp_path: Path) -> None:
    assert local(tmp_path) == [
        f"a.yaml: model.file: expected a file of '{tmp_path}', found none called '{FILE}'. `python -m streamspace check "
        "--online` lists those of a model on the Hub"
    ]
    (tmp_path / FILE).write_bytes(b"GGML" + bytes(100))
    assert local(tmp_path) == [
        f"a.yaml: model.file: expected a GGUF file, got '{FILE}': it doesn't begin with GGUF. Download or copy it again"
    ]
