"""A Space's README is its own: it says what the Space is, and every link in it leads somewhere."""

from __future__ import annotations

import ast
import re

import pytest

from streamspace.config import file as configfile
from streamspace.hub import card, readme, upload
from tests.running import ROOT


@pytest.mark.parametrize("name", configfile.names())
def test_the_readme_of_a_space_names_its_model_and_links_to_what_is_uploaded(name: str) -> None:
    path = ROOT / f"config/{name}.yaml"
    config = configfile.read(path)
    files = {file.path: file for file in upload.files(config, path, space="owner/demo")}
    text = files["README.md"].read().decode()
    assert text.startswith(card.render(config))
    assert f"\n# {config.page.title}\n" in text
    assert config.model.id in text
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert [link for link in links if not link.startswith("https://") and link not in files] == []
    assert "![" not in text
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert 'Client("owner/demo")' in ast.unparse(ast.parse(code)).replace("'", '"')


def test_it_says_what_the_model_is_and_which_licence_it_has() -> None:
    path = ROOT / "config/adapter.yaml"
    text = readme.render(configfile.read(path), "config/adapter.yaml", "owner/demo")
    assert (
        "\nThe model: [ibm-granite/granite-3.0-8b-instruct](https://huggingface.co/ibm-granite/granite-3.0-8b-instruct), "
        "with the LoRA adapter [ibm-granite/granite-rag-3.0-8b-lora]"
        "(https://huggingface.co/ibm-granite/granite-rag-3.0-8b-lora), licence apache-2.0.\n"
    ) in text
