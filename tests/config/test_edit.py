"""Values are set in the text of a config, and everything else of it stays as it was."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamspace.config import parsing
from streamspace.config.edit import edited
from tests.running import ROOT

TEXT = (ROOT / "config/default.yaml").read_text("utf-8")
PLAIN = st.text(
    st.characters(min_codepoint=32, exclude_characters="\x7f", exclude_categories=["C", "Zl", "Zp"]), max_size=300
)
VALUES: dict[str, Any] = {
    "card.title": PLAIN, "card.tags": st.lists(PLAIN, max_size=3), "card.pinned": st.booleans(),
    "page.description": PLAIN.map(lambda text: " ".join(text.split())), "page.examples": st.lists(PLAIN, max_size=4),
    "page.logo": st.none() | PLAIN, "model.id": PLAIN, "limits.queue": st.integers(-(2**60), 2**60),
    "thinking.default": PLAIN, "sampling.top_p": st.fixed_dictionaries({"default": st.floats(0, 1), "min": st.floats(0, 1)}),
    "gpu.tokens_per_second": st.floats(0.001, 1e6), "gpu.size": st.sampled_from(["on", "1.10", "null", "a: b", "#", "- x"]),
}  # fmt: skip


def at(data: Any, key: str) -> Any:
    for part in key.split("."):
        data = data[part]
    return data


@given(st.fixed_dictionaries({}, optional=VALUES))
def test_a_value_is_read_back_and_the_others_stay(values: dict[str, Any]) -> None:
    found, before = parsing.parse(edited(TEXT, values)), parsing.parse(TEXT)
    for key, value in values.items():
        assert at(found, key) == value
        section, name = key.split(".")
        found[section][name] = before[section][name]
    assert found == before


def test_only_the_line_of_a_value_changes_and_its_comment_stays() -> None:
    changed = edited(TEXT, {"gpu.tokens_per_second": 31})
    assert changed == TEXT.replace(
        "tokens_per_second: 25 # measure it on your Space", "tokens_per_second: 31 # measure it on your Space"
    )


def test_a_comment_is_replaced_or_added() -> None:
    changed = edited(TEXT, {"gpu.size": "large"}, {"gpu.size": "half of it", "card.title": "mine"})
    assert "\n  size: large # half of it\n" in changed
    assert "\n  title: Streaming Chat # mine\n" in changed


def test_a_key_that_is_not_there_is_an_error() -> None:
    with pytest.raises(KeyError):
        edited(TEXT, {"gpu.speed": 1})
