"""Checks what a request says by the config: its texts and their lengths, and how much of the conversation is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from streamspace.config.limits import Limits
from streamspace.config.types import Config
from streamspace.errors import RequestError
from streamspace.events import Part
from streamspace.i18n import t
from streamspace.prompt import conversation as conversations
from streamspace.prompt.conversation import Turn
from streamspace.prompt.prompt import Conversation
from streamspace.reply.request import ChatRequest

CHARACTERS = 32  # of a token, at most, in any text that is worth reading


def conversation(config: Config, request: ChatRequest, unsent: bool = False) -> tuple[Conversation, int]:
    """What is to be replied to, and how many of the oldest messages were left out.

    Raises RequestError; not for an empty, `unsent` message.
    """
    limits, asked = config.limits, _asked(config.limits, request, unsent)
    turns = conversations.read(request.history, asked, limits.turns, request.images)
    if config.task != "image-chat" and any(turn.images for turn in turns):
        raise RequestError(t("error.image_text_only"))
    turns, dropped = _recent(limits, turns, request.begun)
    system = config.system_prompt if request.system_prompt is None else _system(limits, request.system_prompt)
    return Conversation(system, turns, request.thinking, request.begun, request.tools), dropped


def message(limits: Limits, text: object, empty: bool = False, of_files: int = 0) -> str:
    """A visitor's text, in which `of_files` characters are attached. Raises RequestError; not for an `empty` one."""
    most = limits.prompt_characters + min(of_files, limits.file_characters)
    if not isinstance(text, str):
        raise RequestError(t("error.not_text", type=type(text).__name__))
    if not (text.strip() or empty):
        raise RequestError(t("error.empty"))
    if len(text) > most:
        raise RequestError(t("error.too_many_characters", characters=len(text), most=most))
    return text


def _asked(limits: Limits, request: ChatRequest, unsent: bool) -> str | Turn:
    if isinstance(last := request.message, Turn):
        return replace(last, text=message(limits, last.text, last.role == "tool" or bool(last.images)))
    given = last or "" if unsent else last
    return message(limits, given, unsent or bool(request.images), request.file_characters)


def _recent(limits: Limits, turns: list[Turn], begun: Sequence[Part]) -> tuple[list[Turn], int]:
    """The newest turns, of a length that could fit, since counting tokens takes long, and how many others."""
    most, length = limits.prompt_tokens * CHARACTERS, sum(len(part.text) for part in begun)
    if length > most:
        raise RequestError(t("error.too_many_characters", characters=length, most=most))
    return conversations.recent(turns, most - length)


def _system(limits: Limits, asked: object) -> str:
    most = limits.prompt_characters
    if not isinstance(asked, str) or len(asked) > most:
        raise RequestError(t("error.system_prompt", most=most))
    return asked
