"""Thoughts are told from the answer at every moment of a growing text."""

from __future__ import annotations

import pytest

from streamspace.engines.reasoning import Parts, join, split, strip

WHOLE = "<think>\nSeven is prime.\n</think>\n\nYes."


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", Parts(None, "", False)),
        ("Hello", Parts(None, "Hello", False)),
        ("<th", Parts(None, "", False)),
        ("<table>", Parts(None, "<table>", False)),
        ("<think>", Parts("", "", True)),
        ("<think>\nSeven is", Parts("Seven is", "", True)),
        ("<think>\nSeven is prime.\n</thi", Parts("Seven is prime.", "", True)),
        (WHOLE, Parts("Seven is prime.", "Yes.", False)),
        ("Use <think> tags", Parts(None, "Use <think> tags", False)),
    ],
)
def test_the_parts_of_a_text(text: str, parts: Parts) -> None:
    assert split(text) == parts


def test_a_growing_text_never_shows_a_tag_or_takes_anything_back() -> None:
    thought, answer = "", ""
    for length in range(len(WHOLE) + 1):
        parts = split(WHOLE[:length])
        assert (parts.thought or "").startswith(thought.rstrip("\n"))
        assert parts.answer.startswith(answer)
        assert "<" not in (parts.thought or "") + parts.answer
        thought, answer = parts.thought or "", parts.answer


def test_only_the_answer_goes_back_to_the_model() -> None:
    assert strip(WHOLE) == "Yes."
    assert strip("<think>never finished") == ""


@pytest.mark.parametrize("text", ["", "Hello", "<think>\nSeven is", WHOLE])
def test_parts_are_joined_to_the_text_that_was_split(text: str) -> None:
    parts = split(text)
    assert join(parts.thought, parts.answer) == text
