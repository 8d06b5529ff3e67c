"""One model type of each kind, as `make models` tries them all: what becomes of it, in one word, and never a crash."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.models import page, vision
from scripts.models.__main__ import SECTIONS, main
from scripts.models.architectures import tried

ALL = {"chat": "yes", "next turn": "new tokens", "batching": "yes", "int8 on a CPU": "yes"}
ALONE = {"chat": "yes", "next turn": "new tokens", "batching": "one at a time", "int8 on a CPU": "one at a time"}
KINDS = {
    "gemma3_text": ALL,  # sliding windows beside full attention
    "gpt2": ALL,  # layers that are the other way round
    "mixtral": {**ALL, "experts": "counted"},
    "stablelm": ALONE,  # fails at each decode step of a batch
    "mamba": {**ALONE, "next turn": "all again"},  # no attention, and code that reads the weights of its layers
    "deepseek_v32": {
        **ALONE,
        "next turn": "all again",
        "experts": "counted",
    },  # code that asks a layer for its number format
    "bert": {"chat": "refused: an encoder (bert)"},
    "hrm_text": {"chat": "refused: list index out of range"},  # its code fails
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_of_each_kind_writes_or_is_refused_in_words(kind: str, tmp_path: Path) -> None:
    assert tried(kind, tmp_path) == KINDS[kind]


IMAGES = {"images": "yes", "int8 on a CPU": "yes"}


@pytest.mark.parametrize("kind", ["gemma3", "llava"])
def test_a_model_that_reads_images_writes_what_transformers_alone_writes(
    kind: str, tmp_path: Path, uploads_folder: Path
) -> None:
    assert vision.tried(kind, tmp_path / kind) == IMAGES


@pytest.mark.parametrize("title", SECTIONS)
def test_a_committed_table_is_as_a_run_writes_it(title: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, table = page.PAGE.read_text("utf-8"), page.read(title)
    assert f"\n## {title}\n" in text
    if table:
        monkeypatch.setattr(page, "PAGE", tmp_path / "models.md")
        page.PAGE.write_text(text)
        page.write(title, table)
        assert page.PAGE.read_text("utf-8") == text
        assert list(page.behind(table, table)) == []
    if title == "Images":
        assert list(table) == list(vision.TYPES)


def test_a_run_fails_where_a_class_is_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(page, "PAGE", tmp_path / "models.md")
    page.PAGE.write_text("<!-- Images -->\n<!-- / -->\n")
    now = {"Images": lambda: [("llava", IMAGES)]}
    assert main(["--write"], now) == 0
    assert main([], now) == 0
    for row, problem in (
        (
            {**IMAGES, "int8 on a CPU": "crashes in replies: x | y"},
            "int8 on a CPU: crashes in replies: x | y, and it was yes",
        ),
        ({"images": "not tried: x"}, "images: not tried: x, and it was yes"),
    ):
        assert main([], {"Images": lambda row=row: [("llava", row)]}) == 1
        assert capsys.readouterr().err == f"behind: llava, {problem}\n"
    assert main([], {"Images": list}) == 1
    assert capsys.readouterr().err == "behind: llava: not there any more\n"


def test_a_table_is_read_as_it_was_written_and_compared_cell_by_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "PAGE", tmp_path / "models.md")
    page.PAGE.write_text("Before\n<!-- Architectures -->\n<!-- / -->\nAfter\n")
    table = {
        "llama": ALL,
        "mamba": ALONE,
        "bert": KINDS["bert"],
        "x": {"forged tokens": "1 of 9", "continue": "2 of 3"},
        "y": {"chat": "not tried: 'paged|sdpa'"},
    }
    page.write("Architectures", table)
    page.write("Architectures", table)
    assert page.read("Architectures") == {**table, "y": {"chat": "not tried: 'paged/sdpa'"}}
    assert page.read("Templates") == {}
    assert page.PAGE.read_text().startswith("Before\n")
    assert page.PAGE.read_text().endswith("After\n")
    assert list(page.behind(table, table)) == []
    now = {
        "llama": {**ALL, "batching": "one at a time"},
        "mamba": {**ALONE, "int8 on a CPU": "yes"},
        "bert": {"chat": "other text"},
        "x": {"forged tokens": "2 of 9", "continue": "1 of 3"},
        "y": {"chat": "yes"},
        "new": {"chat": "crashes in replies: ValueError"},
    }
    assert list(page.behind(table, now)) == [
        "llama, batching: one at a time, and it was yes",
        "bert, chat: other text, and it was refused: an encoder (bert)",
        "x, forged tokens: 2 of 9, and it was 1 of 9",
        "x, continue: 1 of 3, and it was 2 of 3",
        "new, chat: crashes in replies: ValueError, and it was not there",
    ]
    assert list(page.behind(table, {"llama": ALL, "mamba": ALONE, "bert": KINDS["bert"], "y": table["y"]})) == [
        "x: not there any more"
    ]
