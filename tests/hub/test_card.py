"""The Space's card says what the config says, in the Hub's spelling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streamspace.config import file as configfile
from streamspace.config.types import Config
from streamspace.hub import card, requirements, upload
from tests.running import ROOT, changed

PINNED = "0123456789abcdef0123456789abcdef01234567"


def config(**changes: Any) -> Config:
    return Config.model_validate(changed({key.replace("__", "."): value for key, value in changes.items()}))


def test_the_card_of_the_embedded_model() -> None:
    assert card.render(config()) == (
        "---\n"
        "title: Streamspace\n"
        "emoji: 💬\n"
        "colorFrom: blue\n"
        "colorTo: indigo\n"
        "sdk: gradio\n"
        'sdk_version: "6.31.0"\n'
        'python_version: "3.12"\n'
        "app_file: app.py\n"
        "short_description: A tiny model that knows this template\n"
        "license: apache-2.0\n"
        "tags:\n"
        "  - streaming\n"
        "  - text-generation\n"
        "pinned: false\n"
        "suggested_hardware: cpu-basic\n"
        "---\n"
    )


def test_a_model_of_the_hub_is_named_and_loaded_while_the_space_is_built() -> None:
    found = card.fields(config(model__id="owner/llm", model__adapter={"id": "owner/lora"}))
    assert found["models"] == ["owner/llm", "owner/lora"]
    assert found["preload_from_hub"] == ["owner/llm"]


@pytest.mark.parametrize(
    ("revision", "preload", "files", "expected"),
    [
        (PINNED, True, ["config.json", "model.safetensors"], [f"owner/llm config.json,model.safetensors {PINNED}"]),
        (PINNED, True, [], None),
        ("a-branch", True, ["config.json"], None),
        (None, False, [], None),
    ],
)
def test_a_revision_is_preloaded_only_where_it_can_not_move_and_its_files_are_known(
    revision: str | None, preload: bool, files: list[str], expected: list[str] | None
) -> None:
    chosen = config(model__id="owner/llm", model__revision=revision, card__preload=preload)
    assert card.fields(chosen, files).get("preload_from_hub") == expected


@pytest.mark.parametrize("name", configfile.names())
def test_each_shipped_config_makes_a_card_that_reads_back_the_same(name: str) -> None:
    chosen = configfile.read(configfile.locate(name))
    read = card.read(card.render(chosen))
    assert read is not None
    assert isinstance(read["sdk_version"], str)
    assert read["python_version"] == "3.12"
    assert read["title"] == chosen.card.title


def test_a_title_full_of_yaml_is_still_one_title() -> None:
    title = 'Chat: "a" #1 - {b} [c] & *d'
    read = card.read(card.render(config(card__title=title)))
    assert read is not None
    assert read["title"] == title


def test_the_front_matter_is_put_in_place_of_the_old_and_the_prose_stays() -> None:
    prose = "# Title\n\n---\n\nA rule above.\n"
    once = card.put(prose, card.render(config()))
    assert once.endswith("---\n" + prose)
    again = card.put(once, card.render(config(card__title="Other")))
    assert again == once.replace("title: Streamspace", "title: Other")


def test_a_readme_without_readable_front_matter_has_no_card() -> None:
    assert card.read("# Title\n") is None
    assert card.read("---\ntitle: [\n---\n") is None


def test_requirements_are_read_with_comments_and_extras(tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text(
        "# a\nGradio[mcp]==6.31.0 # page\nspaces>=0.51\ntorch ==2.13.0 ; sys_platform == 'linux'\n"
        "torch==2.8.0; sys_platform == 'darwin'\nHuggingface_Hub\n-r other.txt\n"
    )
    read = requirements.read(file)
    assert {name: str(line.specifier) for name, line in read.items()} == {
        "gradio": "==6.31.0", "spaces": ">=0.51", "torch": "==2.13.0", "huggingface-hub": ""
    }  # fmt: skip
    assert requirements.pin("gradio", read) == "6.31.0"
    assert requirements.pin("spaces", read) is None
    assert requirements.pin("nothing", read) is None


def test_a_model_that_runs_on_a_server_is_neither_preloaded_nor_uploaded() -> None:
    chosen = config(model__id="large", endpoint={"url": "https://llm.example/v1"})
    assert not {"models", "preload_from_hub"} & set(card.fields(chosen))
    provider = config(model__id="owner/llm", endpoint={})
    assert card.fields(provider)["models"] == ["owner/llm"]
    assert "preload_from_hub" not in card.fields(provider)
    paths = {file.path for file in upload.files(config(endpoint={}), ROOT / "config/tiny.yaml")}
    assert not [path for path in paths if path.startswith("models/")]


@pytest.mark.parametrize(
    ("access", "hardware", "expected"),
    [
        ({}, "zero-a10g", {}),
        ({"login": True}, "cpu-basic", {"hf_oauth": True}),
        ({"login": True}, "zero-a10g", {"hf_oauth": True, "hf_oauth_scopes": ["read-billing"]}),
        (
            {"login": True, "organizations": ["acme", "Other"]},
            "cpu-basic",
            {"hf_oauth": True, "hf_oauth_scopes": ["read-memberships"], "hf_oauth_authorized_org": ["acme", "Other"]},
        ),
        (  # the Hub would shut ada out
            {"login": True, "organizations": ["acme"], "users": ["ada"]},
            "cpu-basic",
            {"hf_oauth": True, "hf_oauth_scopes": ["read-memberships"]},
        ),
    ],
)
def test_a_space_with_login_asks_for_an_app_at_the_hub_with_what_it_needs(
    access: dict[str, Any], hardware: str, expected: dict[str, Any]
) -> None:
    found = card.fields(config(access=access, card__hardware=hardware))
    assert {name: value for name, value in found.items() if name.startswith("hf_oauth")} == expected
