"""YAML that is made to break is refused in plain words with its line, in little time, wherever it is read."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from streamspace.config import file as configfile
from streamspace.config import parsing, presets
from streamspace.errors import ConfigError
from streamspace.hub import card
from tests.standins.hub.checkout import Checkout

TINY = (configfile.FOLDER / "tiny.yaml").read_text("utf-8")
BREAKING = {
    "? [a, b]\n: 1\n": "1:3: expected YAML, got a list as a key, where text is expected",
    "a: 1\n{b: c}: 1\n": "2:1: expected YAML, got a mapping as a key, where text is expected",
    "1: 2\n": "1:1: expected YAML, got '1' as a key, where text is expected",
    "page:\n  on: 1\n": "2:3: expected YAML, got 'on' as a key, where text is expected",
    "a: " + "[" * 5000: "1:24: expected YAML, got more than 20 levels of nesting",
    "a: " + "{a: " * 5000: "1:81: expected YAML, got more than 20 levels of nesting",
    "- " * 5000 + "a": "1:43: expected YAML, got more than 20 levels of nesting",
    "a: " + "9" * 5000: "1:4: expected YAML, got a value that is no valid int",
    "a: 0x" + "f" * 5000: "1:4: expected YAML, got a whole number of more than 64 bits",
    "a: !!timestamp soon\n": "1:4: expected YAML, got a value that is no valid timestamp",
    "a: !!bool soon\n": "1:4: expected YAML, got a value that is no valid bool",
    "a: !!int soon\n": "1:4: expected YAML, got a value that is no valid int",
    "a: !!timestamp 2026-13-45\n": "1:4: expected YAML, got a value that is no valid timestamp",
    "a: &a [*a]\n": "1:8: expected YAML, got the alias *a, where the value itself is expected",
    "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n": "2:8: expected YAML, got the alias *a, where the value itself is expected",
    "a: b\nc: \0\n": "2:4: expected YAML, got the character U+0000",
    "a: \x1b[31m\n": "1:4: expected YAML, got the character U+001B",
    "a: 1\n---\nb: 2\n": "2:1: expected YAML, got a second document: a config file is one, with nothing after a line ---",
    "a: " + "x" * 200_000: " expected at most 200 kB, got 200 kB",
}  # fmt: skip


def problems(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        configfile.read(path)
    return [problem.removeprefix(f"{path}:") for problem in caught.value.problems]


@pytest.mark.parametrize("text", BREAKING, ids=lambda text: repr(text[:25]))
def test_a_file_that_is_made_to_break_is_told_with_its_place(tmp_path: Path, text: str) -> None:
    (tmp_path / "my.yaml").write_text(text, "utf-8")
    started = time.process_time()
    assert problems(tmp_path / "my.yaml") == [BREAKING[text]]
    assert time.process_time() - started < 10


def test_a_date_is_the_text_that_it_was_written_as() -> None:
    assert parsing.parse("a: 2026-13-45\nb: 2026-11-25\n") == {"a": "2026-13-45", "b": "2026-11-25"}


def test_a_file_of_a_hundred_megabytes_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "my.yaml").open("wb") as file:
        file.truncate(100_000_000)
    assert problems(tmp_path / "my.yaml") == [" expected at most 200 kB, got 100,000 kB"]


@pytest.mark.parametrize("unit", ["a: {b: [c, d]}, ", "? ", "[", "{", "- a\n", "a:\n ", "\"\\u263a\" ", "|\n a\n", "!x ", "&a ", "# c\n", "a, "])  # fmt: skip
def test_the_largest_file_is_read_or_refused_in_seconds(unit: str) -> None:
    text = "a: [" + unit * ((parsing.MOST_BYTES - 4) // len(unit))
    started = time.process_time()
    with pytest.raises(yaml.MarkedYAMLError):
        parsing.parse(text)
    assert time.process_time() - started < 30


PIECES = ["a: ", "b", "[", "]", "{", "}", "- ", "? ", "\n", "  ", "&a ", "*a", "!!int ", "!!float ", "!!set ", "!!binary ", "!!timestamp ", "<<: ", "|", "0x", "1:99", "2026-13-45", "\0", "\x85", "\ufeff", "'", '"', "\\x", "%TAG", "---", "...", "~", ".nan", "="]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
def test_any_text_is_read_or_refused_by_one_kind_of_error(text: str) -> None:
    try:
        parsing.parse(text)
    except yaml.MarkedYAMLError as error:
        assert error.problem  # noqa: PT017


@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_a_value_that_is_made_to_break_is_told_in_one_line(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "my.yaml"
    path.write_text(TINY.replace("title: Streamspace", f"title: {text}"), "utf-8")
    try:
        configfile.read(path)
    except ConfigError as error:
        assert all(line.isprintable() and len(line) < 300 for line in error.problems)  # noqa: PT017


def test_the_readme_and_the_presets_are_read_within_the_same_limits(tmp_path: Path) -> None:
    for text in ("a: " + "[" * 5000, "a: &a [*a]\n", "a: " + "9" * 5000):
        assert card.read(f"---\n{text}\n---\n") is None
    assert list(presets.missing("a: " + "[" * 5000)) == []
    here = Checkout(tmp_path / "work", None)
    here.write("config/cpu.yaml", "a: " + "[" * 5000)
    said = here.run("check")
    assert said.err.startswith("config/cpu.yaml:1:24: expected YAML, got more than 20 levels of nesting\n")
