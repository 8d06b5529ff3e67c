"""`new` for every recorded model: what it decides, that `check` agrees, and its memory against arithmetic by hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from streamspace.config import parsing, presets
from streamspace.config.types import Config
from tests.running import ROOT, clean
from tests.standins.hub.checkout import Checkout
from tests.standins.hub.recorded import RECORDED, add
from tests.standins.hub.server import Hub

EXPECTED = {name: record["expect"] for name, record in RECORDED.items()}
LOADABLE = [name for name, expected in EXPECTED.items() if "refused" not in expected]
NEAR = 0.15  # of what is computed by hand
ZEROGPU = "zero-a10g"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `new` makes of all of them, in one process with the real client."""
    folder = tmp_path_factory.mktemp("proposals")
    hub = Hub(folder / "hub")
    add(hub)
    here = Checkout(folder / "work", hub)
    names = folder / "names.json"
    names.write_text(json.dumps(list(RECORDED)))
    env = {"HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_writer", "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
    env |= {"HOME": str(folder), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, '.'); sys.argv = ['x', {str(names)!r}]; import runpy; "
         "runpy.run_module('tests.new.propose_all', run_name='__main__')"],
        cwd=here.folder, capture_output=True, text=True, timeout=600, env={**clean(os.environ), **env},
    )  # fmt: skip
    hub.end()
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_there_are_forty_and_more_models_of_all_kinds() -> None:
    assert len(RECORDED) >= 60
    assert len(LOADABLE) >= 40


@pytest.mark.parametrize("name", [name for name in EXPECTED if name not in LOADABLE])
def test_a_model_that_cannot_be_loaded_is_refused_in_the_right_words(made: dict[str, Any], name: str) -> None:
    said, expected = made[name].get("refused", ""), EXPECTED[name]["refused"]
    if "of weights and " in expected:
        assert said.startswith(expected)
        assert said.endswith(" of cache. Choose a smaller or a quantized model")
    else:
        assert said == expected


@pytest.mark.parametrize("name", LOADABLE)
def test_the_choices_are_those_that_suit_the_model(made: dict[str, Any], name: str) -> None:
    found, expected = made[name], EXPECTED[name]
    assert "refused" not in found
    config, card = found["config"], RECORDED[name]["card"]
    assert config["task"] == expected["task"]
    assert config["card"]["hardware"] == expected["hardware"]
    assert config["gpu"]["size"] == expected.get("size", "auto")
    assert config["model"]["quantization"] == expected.get("quantization", "none")
    assert config["thinking"]["default"] == expected.get("thinking")
    assert config["model"]["id"] == expected.get("base", name)
    assert config["model"]["license"] == expected.get("licence", card["license"])
    assert config["model"]["file"] == expected.get("file")
    assert config["engine"] == ("llamacpp" if "file" in expected else "auto")
    assert config["card"]["preload"] is not bool(RECORDED[name].get("gated"))
    assert found["packages"] == expected.get("packages", [])
    assert len(config["model"]["revision"]) == 40
    if "temperature" in expected:
        assert config["sampling"]["temperature"]["default"] == expected["temperature"]


@pytest.mark.parametrize("name", LOADABLE)
def test_check_finds_no_fault_in_the_file_which_is_complete(made: dict[str, Any], name: str) -> None:
    found = made[name]
    assert [said for severity, said in found["found"] if severity == "error"] == []
    assert found["same"]
    assert list(presets.missing(found["text"])) == []
    assert max(len(line) for line in found["text"].splitlines()) <= 160


@pytest.mark.parametrize("name", LOADABLE)
def test_memory_is_what_arithmetic_by_hand_says(made: dict[str, Any], name: str) -> None:
    found, expected = made[name], EXPECTED[name]
    tokens = found["config"]["limits"]["prompt_tokens"] + found["config"]["sampling"]["max_new_tokens"]["max"]
    each, window = expected.get("sliding", (0, 0))
    assert found["config"]["limits"]["concurrency"] == "auto"  # as many as fit, and so one that has to
    cache = expected["cache"] * tokens + each * min(tokens, window)
    assert found["weights"] == pytest.approx(float(expected["gb"]) * 1e9, rel=NEAR)
    assert found["weights"] + found["cache"] == pytest.approx(float(expected["gb"]) * 1e9 + cache, rel=NEAR)
    if name != "meta-llama/Llama-3.2-11B-Vision-Instruct":  # its layers for images are counted with the others
        assert found["cache"] == pytest.approx(cache, rel=NEAR)
    if "active" in expected:
        assert found["active"] == pytest.approx(float(expected["active"]), rel=NEAR)


@pytest.mark.parametrize("name", LOADABLE)
def test_replies_fit_the_context_window_and_the_seconds_of_the_gpu(made: dict[str, Any], name: str) -> None:
    config, window = (
        made[name]["config"],
        EXPECTED[name].get("window") or RECORDED[name].get("config", {}).get("max_position_embeddings", 10**9),
    )
    longest, prompt = config["sampling"]["max_new_tokens"]["max"], config["limits"]["prompt_tokens"]
    assert prompt + longest <= window
    if config["card"]["hardware"] == ZEROGPU:
        gpu = config["gpu"]
        needed = prompt / gpu["prompt_tokens_per_second"] + longest / gpu["tokens_per_second"] + 1
        assert needed <= gpu["max_seconds"]
        assert longest >= 512


def test_a_mixture_of_experts_is_quicker_than_a_dense_model_of_its_size(made: dict[str, Any]) -> None:
    mixture, dense = (
        made[name]["config"]["gpu"]["tokens_per_second"] for name in ("Qwen/Qwen3-30B-A3B", "Qwen/Qwen3-32B")
    )
    assert mixture > 2 * dense


def test_the_skeleton_has_every_key_and_a_comment_for_each_mapping() -> None:
    skeleton = (ROOT / "streamspace/new/skeleton.yaml").read_text("utf-8")
    assert list(presets.missing(skeleton)) == []
    assert parsing.parse(skeleton).keys() == Config.model_fields.keys()
