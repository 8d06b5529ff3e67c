"""What looks like a tag in a text is shown as it was written."""

from __future__ import annotations

import pytest

from streamspace.web.page.markup import MARK, shown, written


@pytest.mark.parametrize(
    "text",
    ["a<b and c>d", "<div onclick=x>", "</p>", "<!-- x -->", "<?php", "<br onload=x>", "<https:x>", "1<x", "```<b"],
)
def test_a_tag_is_marked(text: str) -> None:
    assert shown(text) == text.replace("<", f"<{MARK}") or text.startswith("```")


@pytest.mark.parametrize(
    "text",
    [
        "1 < 2",
        "x <3",
        "a<br>b<br/>c",
        "H<sub>2</sub>O",
        "`<b>`",
        "``<b>``",
        "```html\n<b>\n```\n",
        "~~~\n<b>\n",
        "<https://a.b>",
    ],
)
def test_what_is_no_danger_is_left_alone(text: str) -> None:
    assert shown(text) == text


def test_code_ends_where_its_fence_does() -> None:
    text = "````\n<a>\n```\n<b>\n````\n<c>\n"
    assert shown(text) == text.replace("<c", f"<{MARK}c")


def test_written_is_what_was_shown() -> None:
    text = "a<b>c `<i>` </b>\n```\n<x>\n```\n"
    message = {"role": "user", "content": [{"type": "text", "text": shown(text)}], "metadata": None}
    assert written([message]) == [{"role": "user", "content": [{"type": "text", "text": text}], "metadata": None}]
