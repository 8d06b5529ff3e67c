"""Reads a conversation as clients send it (the page's chatbot, the API) into plain turns; the prompt is `prompt`'s."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from streamspace import thoughts
from streamspace.errors import RequestError

Role = Literal["user", "assistant"]
PROBLEM = "problem"  # the metadata id of a message that tells the visitor of a failure


@dataclass(frozen=True)
class Turn:
    """One message of a conversation; `text` holds no thoughts when the model wrote it."""

    role: Role
    text: str


def read(history: Any, message: str, most: int) -> list[Turn]:
    """The last `most` messages of `history`, then `message`: alternating turns, the first and the last the user's.

    Raises RequestError for an entry that isn't a message, or whose role is neither user nor assistant: the history
    comes from the client, which could otherwise slip a system message past the Space's own.
    """
    history = [] if history is None else history
    if not isinstance(history, Sequence) or isinstance(history, str):
        raise RequestError(f"history: expected a list of messages, got {_kind(history)}")
    turns: list[Turn] = []
    for index, entry in enumerate(history):
        turn, failed = _turn(entry, f"history[{index}]")
        if turn:
            turns.append(turn)
        if failed and turns and turns[-1].role == "user":
            turns.pop()  # a question that failed would make the next one fail too
    return _alternating([*turns[-most:], Turn("user", message)])


def _turn(entry: Any, where: str) -> tuple[Turn | None, bool]:
    """The turn that an entry holds, if any, and whether it is the page's note of a reply that failed."""
    if not isinstance(entry, Mapping):
        raise RequestError(f"{where}: expected a message with role and content, got {_kind(entry)}")
    role = entry.get("role")
    if role not in ("user", "assistant"):
        raise RequestError(
            f"{where}.role: expected 'user' or 'assistant', got {str(role)[:40]!r}. Instructions go into system_prompt"
        )
    metadata = entry.get("metadata")
    if isinstance(metadata, Mapping) and metadata.get("title"):
        return None, False  # thoughts
    if isinstance(metadata, Mapping) and metadata.get("id") == PROBLEM:
        return None, True
    text = _text(entry.get("content"), f"{where}.content")
    if role == "assistant":
        text = thoughts.strip(text)
    return (Turn(cast(Role, role), text) if text.strip() else None), False


def _text(content: Any, where: str) -> str:
    """The text of a message: a string, or Gradio's `{"type": "text", "text": ...}`, alone or in a list."""
    if isinstance(content, str):
        return content
    if isinstance(content, Mapping) and isinstance(content.get("text"), str):
        return cast(str, content["text"])
    if isinstance(content, Sequence):
        return "".join(_text(part, f"{where}[{index}]") for index, part in enumerate(content))
    raise RequestError(f"{where}: expected text, got {_kind(content)}")


def _alternating(turns: list[Turn]) -> list[Turn]:
    """Neighbours of one role joined (a reply between them failed), and no reply without its question.

    Many chat templates refuse anything else.
    """
    joined: list[Turn] = []
    for turn in turns:
        if joined and joined[-1].role == turn.role:
            joined[-1] = Turn(turn.role, f"{joined[-1].text}\n\n{turn.text}")
        elif joined or turn.role == "user":
            joined.append(turn)
    return joined


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a value of type {type(value).__name__}"
