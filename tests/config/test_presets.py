"""A preset that lacks a key gets it, with its default and a comment, and stays as it is otherwise."""

from __future__ import annotations

import re

import pytest
import yaml

from streamspace.config import presets
from streamspace.config.types import Config
from tests.running import ROOT

TEXT = (ROOT / "config/default.yaml").read_text("utf-8")
LINES = TEXT.splitlines(keepends=True)
REQUIRED = ("title", "id")
OPTIONAL = [
    number for number, line in enumerate(LINES)
    if re.match(r"(?:  )?\w+: [^>#]", line) and line.split(":")[0].strip() not in REQUIRED
]  # fmt: skip


def without(pattern: str) -> str:
    """The preset without the lines of a pattern."""
    found = re.sub(pattern, "", TEXT, flags=re.MULTILINE)
    assert found != TEXT
    return found


@pytest.mark.parametrize("number", OPTIONAL, ids=lambda number: LINES[number].split(":")[0].strip())
def test_a_key_that_is_taken_out_comes_back_at_its_place_with_its_default(number: int) -> None:
    name = LINES[number].split(":")[0]
    completed = presets.complete("".join(LINES[:number] + LINES[number + 1 :])).splitlines(keepends=True)
    place = next(place for place in range(number, 0, -1) if completed[place].startswith(f"{name}:"))
    kept = completed[:place] + completed[place + 1 :]
    assert kept == LINES[:number] + LINES[number + 1 :]
    assert place == number or not "".join(kept[place:number]).strip()  # it may come before a blank line
    Config.model_validate(yaml.safe_load("".join(completed)))


def test_a_sampling_parameter_is_written_as_its_neighbours_are() -> None:
    assert presets.complete(without(r"^  min_p:.*\n")) == TEXT


def test_a_whole_mapping_comes_back_with_each_of_its_keys() -> None:
    assert presets.complete(without(r"^gpu:.*\n(?:  .*\n)*")).endswith(
        "  proxies: null # before the app, by which visitors are told apart; null: 1 on a Space, else 0\n"
        "gpu:\n"
        "  min_seconds: 10 # minimum GPU time of a reply, in seconds\n"
        "  max_seconds: 60 # maximum GPU time of a reply, in seconds; a longer reply ends early, with Continue\n"
        "  prompt_tokens_per_second: 2000.0 # prefill speed, in tokens per second\n"
        "  tokens_per_second: 25.0 # decoding speed, in tokens per second; measure it on the Space\n"
        "  size: auto # large: 48 GB; xlarge: 96 GB, at twice the quota; auto depends on the size of the weights\n\n"
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("page: {title: a}", 'page: {title: a, description: "", placeholder: '),
        ("limits: {}", "limits: {prompt_characters: 8000, prompt_tokens: 4096, "),
        ("page:\n    title: a", '    title: a\n    description: "" # one or two sentences under the heading, in Mark'),
        ("page:\n  title: a # the\n    # heading\n\n# next\n", "    # heading\n  description: "),
        (
            "page:\n  examples:\n  - |\n    page:\n\n    title: b\n\ncard: {}\n",
            "    title: b\n  accent: blue # colour ",
        ),
        ("page: {title: a}\nmodel:\n  # its name\n  id: b", "model:\n  # its name\n  id: b\n  revision: null # "),
        ("page:\n  description: b\n", "page:\n  description: b\n  placeholder: "),
        ("model:\n  # which\n  revision: b", "model:\n  # which\n  revision: b\n  file: null # "),
    ],
)
def test_each_style_of_yaml_is_kept(old: str, new: str) -> None:
    completed = presets.complete(old)
    assert new in completed
    assert presets.complete(completed) == completed
    lines = iter(completed.splitlines())
    if "{" not in old:
        assert all(line in lines for line in old.splitlines())  # each of them, in their order
    data = yaml.safe_load(completed)
    assert all({**data[key], **value} == data[key] for key, value in yaml.safe_load(old).items())


def test_a_comment_names_what_begins_with_capitals_as_it_is_written() -> None:
    completed = presets.complete(without(r"^  adapter:.*\n"))
    assert "  adapter: null # LoRA adapter on top of the model\n" in completed


@pytest.mark.parametrize("text", ["", "a: [", "- a", "card\n", "\udcff"])
def test_what_is_not_a_mapping_stays_as_it_is(text: str) -> None:
    assert presets.complete(text) == text
