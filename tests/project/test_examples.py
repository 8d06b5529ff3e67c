"""The gallery of configs: each file passes the check, is deployed under its name, and has its line in the table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from streamspace.config import file as configfile
from streamspace.hub import upload
from tests.running import ROOT
from tests.standins.hub.checkout import Checkout

PAGE = ROOT / "examples/README.md"
EXAMPLES = sorted(path.name for path in PAGE.parent.glob("*.yaml"))


def row(path: Path) -> str:
    """A file's line of the table, made of the first sentence of its comment."""
    text, config = path.read_text("utf-8"), configfile.read(path)
    comment = re.search(r"^#\n((?:# .*\n)+)", text, re.MULTILINE)
    assert comment, path
    (purpose, *_) = re.split(r"(?<=\.)\s", comment[1].replace("\n# ", " ").removeprefix("# ").strip())
    link = path.name if path.parent == PAGE.parent else f"../config/{path.name}"
    return f"| [`{path.stem}`]({link}) | {purpose.removesuffix('.')} | `{config.model.id}` | `{config.card.hardware}` |"


def test_the_table_is_made_of_the_files_and_has_all_of_the_examples() -> None:
    """A preset that a fork has deleted is left out, and so is what the fork adds to config/."""
    rows = re.findall(r"^\| \[.*$", PAGE.read_text("utf-8"), re.MULTILINE)
    files = [PAGE.parent / re.findall(r"\]\((.*?)\)", line)[0] for line in rows]
    assert rows == [row(file) if file.is_file() else line for line, file in zip(rows, files, strict=True)]
    assert [file.name for file in files if file.parent == PAGE.parent] == EXAMPLES


def test_every_example_passes_the_check_as_a_person_runs_it(tmp_path: Path) -> None:
    here = Checkout(tmp_path / "work", None)
    for name in EXAMPLES:
        here.write(f"examples/{name}", (PAGE.parent / name).read_text("utf-8"))
    done = here.run("check", *(f"examples/{name}" for name in EXAMPLES))
    assert (done.code, done.err) == (0, "")
    assert done.out == (
        "note: examples/endpoint.yaml: endpoint.secret: the Space needs a secret 'HF_TOKEN' with the server's key. "
        f"Deploy with --secret HF_TOKEN\n{len(EXAMPLES)} config files: no problems\n"
    )
    here.write("../mine.yaml", (PAGE.parent / "endpoint.yaml").read_text("utf-8"))
    mine = str(tmp_path / "mine.yaml")
    assert here.run("check", mine).out.startswith(f"note: {mine}: endpoint.secret: ")


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_begins_with_its_command_and_is_short(name: str) -> None:
    text = (PAGE.parent / name).read_text("utf-8")
    assert text.startswith(
        f"# make run CONFIG=examples/{name}\n# yaml-language-server: $schema=../config/schema.json\n"
    )
    assert text.count("\n") <= 40


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_deploy_of_an_example_uploads_it_as_a_config_and_none_of_the_others(name: str) -> None:
    path = PAGE.parent / name
    files = {file.path for file in upload.files(configfile.read(path), path)}
    assert f"config/{name}" in files
    assert not (configfile.FOLDER / name).exists()  # it would take its place
    assert not [file for file in files if file.startswith("examples")]
