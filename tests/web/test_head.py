"""What the page's modules are told, where they are, and how long a browser keeps them."""

from __future__ import annotations

import json
import re
import urllib.request
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pytest

from streamspace import i18n
from streamspace.config.model import Model
from streamspace.web.page import assets, head, libraries
from tests.reply.test_pipeline import CONFIG
from tests.running import App


@dataclass(frozen=True)
class Library:
    """A file of static/vendor, which is a package's file as it was published."""

    file: str
    package: str
    digest: str


TYPES = ("text/javascript", "application/javascript", "text/css", "application/json")  # by the system's own table
# The digest of the file in the package's tarball on the npm registry.
VENDORED = [
    Library(
        "markdown-it.mjs", "markdown-it 15.0.3", "d5432491790141da046b1197353705db03264f40b5727f3b4b591f5aba193e30"
    ),
]  # fmt: skip


@pytest.mark.parametrize("library", VENDORED, ids=lambda library: library.file)
def test_a_library_is_the_published_one_with_its_licence(library: Library) -> None:
    file = assets.STATIC / "vendor" / library.file
    assert sha256(file.read_bytes()).hexdigest() == library.digest
    assert library.package in file.read_text("utf-8")[:200]
    assert "Permission is hereby granted" in file.with_suffix(".LICENSE").read_text("utf-8")


@pytest.mark.parametrize(
    ("model", "name", "local"),
    [("models/tiny", "tiny", True), ("./models/tiny", "tiny", True), ("owner/name", "owner/name", False)],
)
def test_a_folder_is_called_by_its_last_part(model: str, name: str, local: bool) -> None:
    told = head.described(CONFIG.model_copy(update={"model": Model(id=model)}))["model"]
    assert (told["name"], told["local"]) == (name, local)


def test_nothing_of_a_config_ends_the_script_that_holds_it() -> None:
    page = CONFIG.page.model_copy(update={"title": "</script><script>alert(1)</script>"})
    made = head.head(CONFIG.model_copy(update={"page": page}))
    assert made.count("</script>") == 2
    (told,) = re.findall(r"window\.streamspace = \{ \.\.\.(\{.*\}), parts", made)
    assert json.loads(told)["page"]["title"] == page.title


def test_every_library_of_gradio_is_there() -> None:
    told = libraries.addresses()
    languages = told.pop("languages")
    assert {"python", "bash", "json", "typescript"} <= set(languages)
    for address in [*told.values(), *languages.values()]:
        assert (libraries.ASSETS.parent / address).is_file()


def test_the_modules_are_served_for_good_under_an_address_that_changes_with_them(scripted: App) -> None:
    with urllib.request.urlopen(scripted.url, timeout=20) as answer:
        page = answer.read().decode()
    files = re.findall(r'(?:href|src)="(streamspace/[^"]+)"', page)
    assert len(files) > 10
    assert page.index(files[0]) < page.index("./assets/index-")  # before Gradio's own
    files += [f"{files[0].rsplit('/', 1)[0]}/texts/{language}.json" for language in i18n.LANGUAGES]
    for name in files:
        with urllib.request.urlopen(f"{scripted.url}/{name}", timeout=20) as answer:
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert answer.headers.get_content_type() in TYPES


def test_a_completion_has_neither_a_system_prompt_nor_files() -> None:
    told: dict[str, Any] = head.described(CONFIG.model_copy(update={"task": "completion"}))
    assert (told["system"], told["limits"]["files"], told["limits"]["images"]) == (None, 0, 0)
