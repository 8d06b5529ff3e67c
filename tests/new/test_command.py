"""`python -m streamspace new` as a person types it, against the stand-in Hub."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamspace.config import file as configfile
from tests.standins.hub.checkout import Checkout
from tests.standins.hub.recorded import add
from tests.standins.hub.repos import Repo
from tests.standins.hub.server import Hub

QWEN = "Qwen/Qwen3-8B"


def refused(here: Checkout, *arguments: str, **settings: str | None) -> str:
    """The line of a `new` that writes nothing."""
    before = sorted((here.folder / "config").iterdir())
    said = here.run("new", *arguments, **settings)  # type: ignore[arg-type]
    assert (said.code, said.out) == (2, ""), said
    assert sorted((here.folder / "config").iterdir()) == before
    return said.err


def test_a_name_becomes_a_config_that_says_why(here: Checkout, hub: Hub) -> None:
    add(hub, QWEN)
    sha = hub.repos[f"models/{QWEN}"].head.sha
    said = here.run("new", QWEN)
    assert (said.code, said.err) == (0, "")
    assert said.out == (
        "Qwen/Qwen3-8B for ZeroGPU, not gated: 8.2B parameters, 16.4 GB to download.\n"
        "  task: chat, since it has a chat template\n"
        "  hardware: zero-a10g, with 48 GB, for 15.3 GiB of weights and 1.5 GiB of cache\n"
        "  weights: as they are\n"
        f"  revision: {sha[:7]}, licence: apache-2.0\n"
        "  replies: 2624 tokens, 2624 at most, after prompts of 8192\n"
        "  sampling: temperature 0.6, top_p 0.95, top_k 20 (the makers')\n"
        "  thinking: on, of off, on\n"
        "  speed: about 23 tokens/s, 120 s of GPU at most for a reply\n"
        "wrote config/qwen3-8b.yaml\n"
        "next: make run CONFIG=config/qwen3-8b.yaml, or python -m streamspace deploy OWNER/NAME --config qwen3-8b\n"
    )
    text = (here.folder / "config/qwen3-8b.yaml").read_text("utf-8")
    assert text.startswith(
        "# make run CONFIG=config/qwen3-8b.yaml\n"
        "# yaml-language-server: $schema=schema.json\n"
        "#\n"
        "# Qwen/Qwen3-8B for ZeroGPU, not gated: 8.2B parameters, 16.4 GB to download. Written by: python -m streamspace new\n"
        "# Qwen/Qwen3-8B\n"
        "card: # the Space's card on the Hub\n"
        "  title: Qwen3 8B\n"
        "  emoji: 🧠\n"
    )
    for line in (
        "  short_description: Qwen3 8B, with its reasoning shown apart # 60 characters at most",
        "  hardware: zero-a10g # 48 GB, for 15.3 GiB of weights and 1.5 GiB of cache",
        "task: chat # it has a chat template; the others: completion, image-chat",
        f"  revision: {sha} # the newest commit when this was written; null follows changes",
        "thinking: {default: 'on'} # the choices of its chat template: off, on",
        "  temperature: {default: 0.6, min: 0.0, max: 1.5} # the makers' (generation_config.json); 0: greedy decoding",
        "  tokens_per_second: 23 # estimated: a token reads 16.4 GB of weights; measure it on your Space",
    ):
        assert f"\n{line}\n" in text


def test_a_file_that_is_there_is_replaced_only_by_force(here: Checkout, hub: Hub) -> None:
    add(hub, QWEN)
    here.write("config/mine.yaml", "mine")
    assert refused(here, QWEN, "--name", "mine") == (
        "config/mine.yaml: expected no such file, found one. Deploy it as it is (deploy OWNER/NAME --config mine), write "
        "another with --name NAME, or replace it with --force\n"
    )
    assert here.run("new", QWEN, "--name", "mine", "--force").code == 0
    assert "id: Qwen/Qwen3-8B" in (here.folder / "config/mine.yaml").read_text("utf-8")


def test_it_deploys_what_it_wrote_and_says_by_which_command(here: Checkout, hub: Hub) -> None:
    add(hub, "Qwen/Qwen3-30B-A3B")
    said = here.run(
        "new", "Qwen/Qwen3-30B-A3B", "--name", "moe", "--deploy", "https://huggingface.co/spaces/owner/moe/"
    )
    assert (said.code, said.err) == (0, "")
    assert "\nnext: python -m streamspace deploy owner/moe --config moe\n" in said.out
    assert said.out.count("this Space takes xlarge") == 1  # one check, that of the deploy
    assert "\nowner/moe runs " in said.out
    assert (
        here.run("deploy", "owner/moe", "--config", "moe").out.splitlines()[-1].startswith("unchanged: nothing to do")
    )


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--deploy", "demo"], "expected a Space as OWNER/NAME, got 'demo'"),
        (
            ["--deploy", "owner/demo", "--secret", "hf_value"],
            "--secret: expected NAME or NAME=VARIABLE, an environment variable with the value",
        ),
    ],
)
def test_what_a_deploy_would_refuse_is_refused_before_anything_is_written(
    here: Checkout, hub: Hub, more: list[str], said: str
) -> None:
    add(hub, QWEN)
    assert refused(here, QWEN, *more) == f"{said}\n"


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("Qwen3-8B", "expected a model of the Hub as OWNER/MODEL, got 'Qwen3-8B'"),
        (
            "./models/tiny",
            "expected a model of the Hub as OWNER/MODEL, got './models/tiny', a folder: copy a preset of config/ for it",
        ),
        (
            "https://huggingface.co/spaces/owner/demo",
            "expected a model as OWNER/MODEL, got 'https://huggingface.co/spaces/owner/demo', which is a Space",
        ),
        (
            "owner/none",
            "model.id: expected a model on the Hub, found none called 'owner/none'. Check the spelling at "
            "https://huggingface.co/owner/none; if it is private, give a token that may read it: hf auth login, or HF_TOKEN",
        ),
        (
            "owner/demo",
            "expected a model as OWNER/MODEL, got 'owner/demo', which is a Space. Name the model that it uses",
        ),
    ],
)
def test_what_is_no_model_is_told_apart(here: Checkout, hub: Hub, named: str, said: str) -> None:
    hub.repos["spaces/owner/demo"] = Repo("space", "owner/demo")
    hub.repos["spaces/owner/demo"].commit({}, "initial commit")
    assert refused(here, named) == f"{said}\n"


def test_the_address_of_a_models_page_is_its_name(here: Checkout, hub: Hub) -> None:
    add(hub, QWEN)
    assert here.run("new", "https://huggingface.co/Qwen/Qwen3-8B/tree/main", "--name", "a").code == 0


def test_a_gated_model_without_access_and_a_hub_out_of_reach_are_a_line_each(
    here: Checkout, hub: Hub, tmp_path: Path
) -> None:
    add(hub, "meta-llama/Llama-3.2-1B-Instruct")
    for token, because in (
        ("hf_stranger", "this token may not read it"),
        (None, "there is no token, so nobody may read it"),
    ):
        assert refused(here, "meta-llama/Llama-3.2-1B-Instruct", token=token) == (
            f"model.id: 'meta-llama/Llama-3.2-1B-Instruct' is gated, and {because}. Accept its terms on "
            "https://huggingface.co/meta-llama/Llama-3.2-1B-Instruct, then give a token that may read it: hf auth login, or "
            "HF_TOKEN\n"
        )
    alone = Checkout(tmp_path / "alone", None)
    assert refused(alone, QWEN).startswith("Can't ask about Qwen/Qwen3-8B: the Hub can't be reached from here.")


def test_hardware_that_is_asked_for_has_to_hold_it(here: Checkout, hub: Hub) -> None:
    add(hub, "Qwen/Qwen3-32B", "Qwen/Qwen2.5-0.5B-Instruct")
    assert refused(here, "Qwen/Qwen3-32B", "--hardware", "t4-small").startswith(
        "model.id: expected a model that fits t4-small (16 GB), got 'Qwen/Qwen3-32B' with 61.0 GiB of weights and "
    )
    assert refused(here, "Qwen/Qwen3-32B", "--hardware", "t5").startswith("--hardware: expected one of cpu-basic, ")
    said = here.run("new", "Qwen/Qwen3-32B", "--hardware", "l40sx1", "--name", "dense")
    assert "  weights: int4, made while it loads\n" in said.out
    assert "added to requirements.txt: bitsandbytes>=0.48\n" in said.out
    assert here.run("new", "Qwen/Qwen2.5-0.5B-Instruct", "--hardware", "cpu-basic", "--name", "small").code == 0
    config = configfile.read(here.folder / "config/small.yaml")
    assert (config.device, config.limits.prompt_tokens, config.sampling.max_new_tokens.max) == ("cpu", 2048, 1024)


def test_a_package_that_it_needs_is_added_once(here: Checkout, hub: Hub) -> None:
    add(hub, "unsloth/Qwen2.5-7B-Instruct-bnb-4bit")
    before = (here.folder / "requirements.txt").read_text("utf-8")
    said = here.run("new", "unsloth/Qwen2.5-7B-Instruct-bnb-4bit")
    assert "added to requirements.txt: bitsandbytes\n" in said.out
    said = here.run("new", "unsloth/Qwen2.5-7B-Instruct-bnb-4bit", "--name", "again")
    assert "added" not in said.out
    assert (here.folder / "requirements.txt").read_text("utf-8") == f"{before}bitsandbytes\n"


def test_an_adapter_comes_with_its_base(here: Checkout, hub: Hub) -> None:
    add(hub, "ibm-granite/granite-rag-3.0-8b-lora", "ibm-granite/granite-3.0-8b-instruct")
    assert here.run("new", "ibm-granite/granite-rag-3.0-8b-lora", "--name", "rag").code == 0
    config = configfile.read(here.folder / "config/rag.yaml")
    assert config.model.adapter is not None
    assert config.model.adapter.id == "ibm-granite/granite-rag-3.0-8b-lora"
    assert config.model.adapter.revision == hub.repos["models/ibm-granite/granite-rag-3.0-8b-lora"].head.sha
    assert config.page.description == (
        "[granite-rag-3.0-8b-lora](https://huggingface.co/ibm-granite/granite-rag-3.0-8b-lora) on "
        "[granite-3.0-8b-instruct](https://huggingface.co/ibm-granite/granite-3.0-8b-instruct) answers as you watch."
    )
