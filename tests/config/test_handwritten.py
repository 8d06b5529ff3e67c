"""YAML as people write it: what is meant is read, or said in plain words; what is written reads the same everywhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from streamspace.config import file as configfile
from streamspace.config import parsing, writing
from streamspace.errors import ConfigError
from tests.running import ROOT

DEFAULT = (ROOT / "config/default.yaml").read_text("utf-8")
QUOTE = "Put quotes around it"
CASES = [
    ("  id: Qwen/Qwen3-4B-Instruct-2507", "  id: {{ MODEL }}", "{{, a placeholder that nothing filled in"),
    ("  id: Qwen/Qwen3-4B-Instruct-2507", "  <<: {id: a/b}", "the merge key <<, where the keys themselves are expected"),
    ("  id: Qwen", "\tid: Qwen", "a tab, where only spaces may indent"),
    ("  revision: null", " revision: null", "an indentation that no line above has"),
    ("  id: Qwen/Qwen3-4B-Instruct-2507", "  id: it's: mine", "a colon that begins no value: the line is indented wrongly, or its text needs quotes"),
    ("  id: Qwen/Qwen3-4B-Instruct-2507", "  id: 'mine", None),
    ("tags: [streaming, text-generation]", "tags: [streaming, text-generation", "a list or mapping in brackets that isn't closed, or lacks a comma"),
    ("gpu:", "---\ngpu:", "a second document: a config file is one, with nothing after a line ---"),
    ("  id: Qwen/Qwen3-4B-Instruct-2507", "  id: @mine", "a character that begins no value: put quotes around it"),
]  # fmt: skip
VALUES = [
    ("revision: null", "revision: 0123456", f"model.revision: expected text, got 42798, as YAML reads 0123456. {QUOTE}"),
    ("revision: null", "revision: 1234567", f"model.revision: expected text, got 1234567. {QUOTE}"),
    ("revision: null", "revision: 1e-7", f"model.revision: expected text, got 1e-07, as YAML reads 1e-7. {QUOTE}"),
    ("title: Streaming Chat", "title: On", f"card.title: expected text, got true, as YAML reads On. {QUOTE}"),
    ("title: Streaming Chat", "title: 1.10", f"card.title: expected text, got 1.1, as YAML reads 1.10. {QUOTE}"),
    ("top_p: {default: 0.8", "top_p: {default: 0,8", None),
    ("temperature: {default: 0.7", "temperature: {default: '0,7'", "sampling.temperature.default: expected a number, got '0,7'. Write it with a point: 0.7"),
    ("  min_seconds: 10", "  min_seconds: 1,5", "gpu.min_seconds: expected a whole number, got '1,5'. Write it with a point: 1.5"),
]  # fmt: skip


def problems(tmp_path: Path, old: str, new: str) -> list[str]:
    assert old in DEFAULT
    path = tmp_path / "mine.yaml"
    path.write_text(DEFAULT.replace(old, new, 1), "utf-8")
    with pytest.raises(ConfigError) as caught:
        configfile.read(path)
    return [problem.removeprefix(str(path)) for problem in caught.value.problems]


@pytest.mark.parametrize(("old", "new", "said"), CASES, ids=[new for _, new, _ in CASES])
def test_what_is_no_yaml_is_said_in_the_words_of_who_wrote_it(tmp_path: Path, old: str, new: str, said: str) -> None:
    (problem,) = problems(tmp_path, old, new)
    assert re.match(r":\d+:\d+: expected YAML, got ", problem)
    assert problem.partition("got ")[2] == said or said is None
    assert "<block" not in problem


@pytest.mark.parametrize(("old", "new", "said"), VALUES, ids=[new for _, new, _ in VALUES])
def test_a_value_that_yaml_reads_as_another_says_what_to_write(tmp_path: Path, old: str, new: str, said: str) -> None:
    found = problems(tmp_path, old, new)
    assert found
    assert said is None or f": {said}" in found


def test_dates_are_text_and_1e_minus_1_is_a_number() -> None:
    text = DEFAULT.replace("title: Streaming Chat", "title: 2026-11-25", 1).replace("{default: 0.7", "{default: 1e-1")
    data = parsing.parse(text)
    assert (data["card"]["title"], data["sampling"]["temperature"]["default"]) == ("2026-11-25", 0.1)


def test_unknown_keys_of_one_mapping_list_the_known_ones_once(tmp_path: Path) -> None:
    found = problems(tmp_path, "gpu:", "gpu:\n  zzzz: 1\n  qqqq: 2")
    assert len(found) == 2
    assert sum("; known here: " in problem for problem in found) == 1


@pytest.mark.parametrize("pasted", ["tiny\n", " tiny ", "config/tiny.yaml\r\n", "\n"])
def test_a_pasted_name_is_stripped(pasted: str) -> None:
    assert configfile.chosen({"SPACE_CONFIG": pasted}).stem == ("tiny" if pasted.strip() else "default")


NUMBER_12 = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|0o[0-7]+|0x[0-9a-fA-F]+")
WORDS_12 = {"", "~", "null", "Null", "NULL", "true", "True", "TRUE", "false", "False", "FALSE", ".inf", ".nan", ".NaN"}
TRICKY = st.sampled_from(
    ["0o17", "1e3", "0899", "1_000", "on", "No", "y", "1:30", "0x1F", ".5", "1.", "-.inf", "~", "<<", "="]
)


@given(
    st.one_of(
        TRICKY,
        st.from_regex(NUMBER_12, fullmatch=True),
        st.text(st.characters(codec="ascii", exclude_categories=["C"])),
    )
)
def test_what_is_written_is_the_same_text_in_yaml_1_1_and_1_2(text: str) -> None:
    for written in (writing.block({"a": text}), f"a: {writing.inline(text)}\n"):
        assert yaml.safe_load(written) == {"a": text}
        value = written[3:].strip()
        if value[:1] not in ("'", '"', "|", ">", "?"):  # plain: what a reader of 1.2 takes it for
            assert not NUMBER_12.fullmatch(value)
            assert value not in WORDS_12
    assert json.loads(json.dumps(yaml.safe_load(writing.block([text])))) == [text]
