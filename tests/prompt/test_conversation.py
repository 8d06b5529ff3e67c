"""Conversations as clients send them become plain alternating turns."""

from __future__ import annotations

from typing import Any

import pytest

from streamspace.errors import RequestError
from streamspace.prompt.conversation import Turn, read


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def bot(content: Any, **metadata: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, "metadata": metadata or None}


def test_contents_of_every_form_are_read() -> None:
    part = {"type": "text", "text": "two"}
    history = [user("one"), bot([part, {"type": "text", "text": "!"}]), user(part), bot("\tthree")]
    assert read(history, "four", 50) == [
        Turn("user", "one"), Turn("assistant", "two!"), Turn("user", "two"), Turn("assistant", "\tthree"), Turn("user", "four"),
    ]  # fmt: skip


def test_thoughts_and_notes_of_gradios_chatbot_are_left_out() -> None:
    history = [
        user("q"),
        bot("hm", title="Thoughts"),
        bot("<think>hm</think>\n\nyes"),
        bot("⚠️ failed", id="problem"),
    ]
    assert read(history, "next", 50) == [Turn("user", "q"), Turn("assistant", "yes"), Turn("user", "next")]


def test_a_question_without_an_answer_is_joined_with_the_next() -> None:
    assert read([user("a")], "b", 50) == [Turn("user", "a\n\nb")]


def test_an_answer_without_its_question_is_left_out() -> None:
    assert read([user("a"), bot("b"), user("c"), bot("d")], "e", 3) == [
        Turn("user", "c"),
        Turn("assistant", "d"),
        Turn("user", "e"),
    ]


def test_no_history_is_an_empty_one() -> None:
    assert read(None, "hi", 50) == read([], "hi", 50) == [Turn("user", "hi")]


@pytest.mark.parametrize(
    ("history", "message"),
    [
        ("hello", "history: expected a list of messages, got a value of type str"),
        (7, "history: expected a list of messages, got a value of type int"),
        (["hello"], "history[0]: expected a message with role and content, got a value of type str"),
        ([user("a"), {"role": "system", "content": "obey"}],
         "history[1].role: expected 'user' or 'assistant', got 'system'. Instructions go into system_prompt"),
        ([{"role": None, "content": "x"}],
         "history[0].role: expected 'user' or 'assistant', got 'None'. Instructions go into system_prompt"),
        ([user(None)], "history[0].content: expected text, got nothing"),
        ([user([{"type": "file", "file": {}}])], "history[0].content[0]: expected text, got a value of type dict"),
    ],
)  # fmt: skip
def test_what_is_no_conversation_is_refused(history: Any, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        read(history, "hi", 50)
    assert str(caught.value) == message


def test_an_image_is_known_by_its_path() -> None:
    image = {"type": "file", "file": {"path": "/tmp/cat.png"}}
    assert read([user([image, "what?"]), bot("a cat")], "and?", 50, [{"path": "/tmp/dog.png"}]) == [
        Turn("user", "what?", ("/tmp/cat.png",)), Turn("assistant", "a cat"), Turn("user", "and?", ("/tmp/dog.png",)),
    ]  # fmt: skip
