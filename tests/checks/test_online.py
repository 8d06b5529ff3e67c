"""`check --online` and the loading of models, against the stand-in Hub and through the Hub's own client."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from streamspace.checks.memory import fits_disk
from tests.running import ROOT, clean
from tests.standins.hub.checkout import Checkout
from tests.standins.hub.repos import blob
from tests.standins.hub.server import Hub

TINY = {path.name: path.read_bytes() for path in sorted((ROOT / "models/tiny").iterdir()) if path.suffix != ".md"}
README = b"---\nlicense: apache-2.0\n---\n"


@pytest.fixture
def here(here: Checkout) -> Checkout:
    """A checkout whose config names a model of the Hub."""
    here.change("config/tiny.yaml", "id: ./models/tiny", "id: owner/llm")
    return here


def facts(parameters: int) -> dict[str, bytes]:
    """A small model that says it is a large one."""
    counted = {"parameters": {"BF16": parameters}, "total": parameters}
    return {**TINY, "README.md": README, "parameters.json": json.dumps(counted).encode()}


def test_a_model_that_is_well_is_described_with_the_commit_to_pin(here: Checkout, hub: Hub) -> None:
    model = hub.add_model("owner/llm", facts(2_400_000))
    said = here.run("check", "tiny", "--online")
    assert said.code == 0, said
    assert said.out == (
        "note: config/tiny.yaml: the model's licence is apache-2.0. Read it before you make the Space public\n"
        f"note: config/tiny.yaml: model.revision is empty, so the model may change. Pin it: revision: {model.head.sha}\n"
        "note: config/tiny.yaml: 2.4M parameters, 4.9 MB to download\n"
        "note: config/tiny.yaml: the model fits cpu-basic: 9.2 MiB of weights and 7.5 MiB of cache, of 16 GB\n"
        "note: config/tiny.yaml: on a CPU, a GGUF file of this model in Q8_0, or model.quantization: int8, writes 1.5 to "
        "2.4 times as fast for one visitor, and a little differently. Name the file in model.file, if somebody has made "
        "one\n"
        "note: config/tiny.yaml: the page has a choice of how the model thinks: off, on\n"
        "note: config/tiny.yaml: cpu-basic costs nothing beside a plan that includes it\n"
        "1 config file: no problems\n"
    )


def test_a_model_that_is_too_large_is_an_error(here: Checkout, hub: Hub) -> None:
    hub.add_model("owner/llm", facts(30_000_000_000))
    said = here.run("check", "tiny", "--online")
    assert said.code == 2
    assert "expected a model that fits cpu-basic (16 GB), got one with 111.8 GiB of weights" in said.err


def test_a_model_that_is_quantized_already_is_weighed_by_its_files(here: Checkout, hub: Hub) -> None:
    quantized = {**json.loads(TINY["config.json"]), "quantization_config": {"quant_method": "awq"}}
    hub.add_model("owner/llm", {**facts(30_000_000_000), "config.json": json.dumps(quantized).encode()})
    here.change("config/tiny.yaml", "quantization: none", "quantization: int8")
    said = here.run("check", "tiny", "--online")
    assert said.err == (
        "config/tiny.yaml: model.quantization: expected 'none' for weights that are quantized already, got 'int8'\n"
        "requirements.txt: gptqmodel: expected a version, for weights that are quantized by awq, got none. Add a line: "
        "gptqmodel\n"
    )
    assert "4.6 MiB of weights and" in said.out


def test_int8_on_a_cpu_is_weighed_while_it_loads(here: Checkout, hub: Hub) -> None:
    hub.add_model("owner/llm", facts(4_000_000_000))
    here.change("config/tiny.yaml", "quantization: none", "quantization: int8")
    said = here.run("check", "tiny", "--online")
    assert "(16 GB), got one with 3.7 GiB of weights (18.6 GiB while it loads)" in said.err


@pytest.mark.parametrize(
    ("stored", "hardware", "said"),
    [
        (74_000_000_000, "zero-a10g", []),
        (77_000_000_000, "a100-large", []),
        (
            77_000_000_000,
            "zero-a10g",
            [
                "config/mine.yaml: model.id: expected weights that fit ZeroGPU's disk (150 GB) twice, downloaded and "
                "packed, got 77 and 77 GB. Choose a smaller or a quantized model, or hardware with a GPU of its own"
            ],
        ),
    ],
)
def test_weights_are_on_the_disk_of_zerogpu_twice(stored: int, hardware: str, said: list[str]) -> None:
    assert [str(found) for found in fits_disk(stored, stored, hardware, "config/mine.yaml")] == said


def test_a_missing_model_says_where_to_look(here: Checkout) -> None:
    said = here.run("check", "tiny", "--online")
    assert (said.code, said.err) == (
        2,
        "config/tiny.yaml: model.id: expected a model on the Hub, found none called 'owner/llm'. Check the spelling at "
        "https://huggingface.co/owner/llm; if it is private, give a token that may read it: hf auth login, or HF_TOKEN\n",
    )


def test_a_gated_model_says_what_to_accept_and_is_fine_for_whom_it_is_open(here: Checkout, hub: Hub) -> None:
    hub.add_model("owner/llm", facts(2_400_000), readers=("owner",))
    closed = here.run("check", "tiny", "--online", token="hf_stranger")
    assert (closed.code, closed.err) == (
        2,
        "config/tiny.yaml: model.id: 'owner/llm' is gated, and this token may not read it. Accept its terms on "
        "https://huggingface.co/owner/llm, then give a token that may read it: hf auth login, or HF_TOKEN\n",
    )
    preloading = here.run("check", "tiny", "--online")
    assert preloading.err == (
        "config/tiny.yaml: card.preload: expected false, since 'owner/llm' is gated and the build can't read it, got true\n"
    )
    here.change("config/tiny.yaml", "preload: true", "preload: false")
    fine = here.run("check", "tiny", "--online")
    assert fine.code == 0
    assert (
        "note: config/tiny.yaml: the Space needs a secret HF_TOKEN. Deploy with --secret HF_TOKEN=VARIABLE, "
        in fine.out
    )


def test_a_revision_that_is_not_there_is_named(here: Checkout, hub: Hub) -> None:
    hub.add_model("owner/llm", facts(2_400_000))
    here.change("config/tiny.yaml", "revision: null", "revision: nowhere")
    assert here.run("check", "tiny", "--online").err == (
        "config/tiny.yaml: model.revision: expected a branch, tag or commit of 'owner/llm', got 'nowhere'. See "
        "https://huggingface.co/owner/llm/commits/main\n"
    )


def test_weights_in_other_formats_are_refused(here: Checkout, hub: Hub) -> None:
    hub.add_model("owner/llm", {"config.json": b"{}", "pytorch_model.bin": b"x" * 100, "README.md": README})
    said = here.run("check", "tiny", "--online")
    assert "expected weights as *.safetensors in 'owner/llm', found none" in said.err


def test_without_a_network_the_check_says_so(tmp_path: Path) -> None:
    here = Checkout(tmp_path / "work", None)
    here.change("config/tiny.yaml", "id: ./models/tiny", "id: owner/llm")
    said = here.run("check", "tiny", "--online")
    assert said.code == 1
    assert said.err.startswith("Can't ask about owner/llm: the Hub can't be reached from here.")


def test_a_pinned_model_is_preloaded_file_by_file(here: Checkout, hub: Hub) -> None:
    model = hub.add_model("owner/llm", {**TINY, "pytorch_model.bin": b"pickle", "original/params.json": b"{}"})
    here.change("config/tiny.yaml", "revision: null", f"revision: {model.head.sha}")
    assert here.run("deploy", "owner/demo", "--config", "tiny").code == 0
    readme = hub.repos["spaces/owner/demo"].head.files["README.md"].content.decode()
    assert f"preload_from_hub:\n  - owner/llm {','.join(TINY)} {model.head.sha}\n" in readme


FETCH = (
    "import sys; from streamspace.model.files import fetch; from streamspace.errors import ModelError\n"
    "try: print((fetch(sys.argv[1], sys.argv[2] or None) / 'config.json').read_text())\n"
    "except ModelError as error: print(error)"
)


def fetched(hub: Hub, folder: Path, name: str, revision: str = "", token: str = "hf_stranger") -> str:
    """What the app's own download finds."""
    env = {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HOME": str(folder / "cache"), "HF_TOKEN": token}
    done = subprocess.run(
        [sys.executable, "-c", FETCH, name, revision], cwd=ROOT, capture_output=True, text=True, timeout=60,
        env={**clean({"PATH": "", "HOME": str(folder)}), **env, "HF_HUB_DISABLE_XET": "1"},
    )  # fmt: skip
    return done.stdout.strip()


def test_a_model_is_loaded_by_branch_and_by_revision(hub: Hub, tmp_path: Path) -> None:
    model = hub.add_model("owner/llm", {"config.json": b'{"version": 1}', "model.safetensors": b"w" * 1000})
    first = model.head
    model.commit({**first.files, "config.json": blob("config.json", b'{"version": 2}')}, "Second")
    model.branches["experiment"] = first.sha
    assert fetched(hub, tmp_path, "owner/llm") == '{"version": 2}'
    assert fetched(hub, tmp_path, "owner/llm", "experiment") == '{"version": 1}'
    assert fetched(hub, tmp_path, "owner/llm", first.sha) == '{"version": 1}'
    assert fetched(hub, tmp_path, "owner/llm", "gone") == (
        "model.revision: expected a branch, tag or commit of 'owner/llm', got 'gone'. See "
        "https://huggingface.co/owner/llm/commits/main"
    )


def test_a_gated_and_a_missing_model_are_explained_by_the_app(hub: Hub, tmp_path: Path) -> None:
    hub.add_model("owner/gated", {"config.json": b"{}", "model.safetensors": b"w"}, readers=("owner",))
    assert fetched(hub, tmp_path, "owner/gated").startswith(
        "model.id: 'owner/gated' is gated, and this Space may not read it yet."
    )
    assert fetched(hub, tmp_path, "owner/gated", token="hf_writer") == "{}"
    assert fetched(hub, tmp_path, "owner/none").startswith(
        "model.id: expected a model on the Hub, found none called 'owner/none'."
    )


def test_a_model_that_would_run_another_repositorys_code_is_an_error(here: Checkout, hub: Hub) -> None:
    named = {"auto_map": {"AutoConfig": "evil/other--configuration_x.X"}}
    hub.add_model("owner/llm", {**facts(2_400_000), "processor_config.json": json.dumps(named).encode()})
    assert "expected code of its own" not in here.run("check", "tiny", "--online").err
    sha = hub.repos["models/owner/llm"].head.sha
    here.change("config/tiny.yaml", "revision: null", f"revision: {sha}")
    here.change("config/tiny.yaml", "trust_remote_code: false", "trust_remote_code: true")
    assert (
        "config/tiny.yaml: model.id: 'owner/llm': processor_config.json: expected code of its own, got "
        "'evil/other--configuration_x.X', that of another repository, which no revision pins. Name another model\n"
    ) in here.run("check", "tiny", "--online").err
