"""What looks like a tag in a text is shown as it was written, by the same rules in Python and in the browser."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamspace.web.page.markup import MARK, escape, unescape
from streamspace.web.page.theme import HERE

PIECES = [
    "<b>", "</p>", "<!--", "<?", "<br>", "<BR />", "<kbd\t>", "<br\u00a0>", "<br\x1c>", "<\u212abd>", "<\u017f>", "<https://a.b>",
    "<HTTP://", "<1", f"<{MARK}", f"<{MARK}b", "<", ">", "`", "``", "```", "````", "~~~", "~~~~", "\\", "\\`", "\t", "    ",
    " ", "html", "a", "\n", "\n\n", "\r\n", "\r", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1f", "\ufeff", "😀",
]  # fmt: skip
TEXTS = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=24).map("".join)
IN_TURN = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize(
    "text",
    [
        "<div onclick=x>", "</p>", "<!-- x -->", "<?php", "<br onload=x>", "<https:x>", "<https://a b>", "1<x", "`<b>`", "```\n<b>\n```",
        "a\u2028<b>",
    ],
)  # fmt: skip
def test_what_could_begin_a_tag_is_marked_wherever_it_is(text: str) -> None:
    before, _, after = text.rpartition("<")
    assert escape(text) == f"{before}<{MARK}{after}"


@pytest.mark.parametrize("text", ["1 < 2", "x <3", "a<br>b<br/>c", "H<sub>2</sub>O", "<https://a.b/?c=1&d>", "<"])
def test_what_is_no_danger_is_left_alone(text: str) -> None:
    assert escape(text) == text


def test_every_tag_of_a_line_is_marked() -> None:
    assert escape("a<b and c>d</b>") == f"a<{MARK}b and c>d<{MARK}/b>"


@given(TEXTS)
def test_unescape_gives_back_what_was_escaped_but_for_its_own_marks(text: str) -> None:
    assert unescape(escape(text)) == unescape(text)
    assert escape(escape(text)) == escape(text)


def test_unescape_reaches_the_texts_in_a_message() -> None:
    text = "a<b>c `<i>` </b>\n```\n<x>\n```\n"
    message = {"role": "user", "content": [{"type": "text", "text": escape(text)}], "metadata": None}
    assert unescape([message]) == [{"role": "user", "content": [{"type": "text", "text": text}], "metadata": None}]


@pytest.fixture(scope="module")
def script(browser: Any) -> Any:
    """A page that runs markup.js and nothing else."""
    page = browser.new_page()
    page.add_script_tag(content=(HERE / "markup.js").read_text("utf-8"))
    yield page
    page.close()


@IN_TURN
@given(texts=st.lists(TEXTS, min_size=30, max_size=30))
def test_the_browser_escapes_as_python_does(script: Any, texts: list[str]) -> None:
    code = "texts => texts.map((text) => [streamspace.escape(text), streamspace.unescape(text), "
    code += "streamspace.unescape(streamspace.escape(text))])"
    assert script.evaluate(code, texts) == [[escape(text), unescape(text), unescape(text)] for text in texts]


@pytest.mark.parametrize("value", [None, True, 7, 1.5])
def test_what_is_no_text_is_left_as_it_is(value: Any) -> None:
    assert unescape({"duration": value}) == {"duration": value}
