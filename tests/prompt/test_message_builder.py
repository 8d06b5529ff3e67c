"""The messages for a server: as many of a conversation's turns as fit by the estimate of four characters a token."""

from __future__ import annotations

import pytest

from streamspace.errors import RequestError
from streamspace.events import Message, Part
from streamspace.prompt.conversation import Turn
from streamspace.prompt.message_builder import MessageBuilder
from streamspace.prompt.prompt import Conversation

TURNS = [Turn("user", "a" * 40), Turn("assistant", "b" * 20), Turn("user", "c" * 20)]
MESSAGES = tuple(Message(turn.role, turn.text) for turn in TURNS)


def test_turns_that_just_fit_are_all_sent() -> None:
    prompt = MessageBuilder(20).chat(Conversation("", TURNS), 10)
    assert (prompt.messages, prompt.dropped_messages, prompt.continues) == (MESSAGES, 0, False)


def test_the_oldest_exchange_is_left_out_where_one_character_is_too_much() -> None:
    turns = [*TURNS[:2], Turn("user", "c" * 21)]
    prompt = MessageBuilder(20).chat(Conversation("Be kind.", turns), 10)
    assert prompt.messages == (Message("system", "Be kind."), Message("user", "c" * 21))
    assert prompt.dropped_messages == 2


def test_the_last_message_is_sent_however_long_it_is() -> None:
    assert MessageBuilder(1).chat(Conversation(" ", TURNS), 10).messages == MESSAGES[2:]


def test_a_reply_that_goes_on_is_the_last_message() -> None:
    prompt = MessageBuilder(20).chat(
        Conversation("", TURNS, begun=(Part("reasoning", "Hm."), Part("answer", "Well"))), 10
    )
    assert prompt.messages == (*MESSAGES, Message("assistant", "Well", "Hm."))
    assert (prompt.continues, prompt.begins) == (True, "answer")


def test_thoughts_that_go_on_are_part_of_the_content() -> None:
    prompt = MessageBuilder(20).chat(Conversation("", TURNS, begun=(Part("reasoning", "Hm"),)), 10)
    assert prompt.messages[-1] == Message("assistant", "<think>\nHm")
    assert (prompt.continues, prompt.begins) == (True, "reasoning")


@pytest.mark.parametrize(
    ("default", "wish", "told"),
    [(None, False, ""), ("on", None, "on"), ("on", False, "off"), ("off", True, "on"), ("low", "high", "high")],
)
def test_a_server_is_told_about_thinking_where_the_config_has_a_default(
    default: str | None, wish: object, told: str
) -> None:
    assert MessageBuilder(20, default).chat(Conversation("", TURNS, wish), 10).thinking == told


def test_a_text_is_refused_since_servers_take_conversations() -> None:
    with pytest.raises(RequestError) as caught:
        MessageBuilder(20).text("Once", 10)
    assert str(caught.value) == "This Space's model accepts conversations only. Its owner: set task: chat"
