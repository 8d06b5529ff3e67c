"""Reads a conversation as clients send it (the page, the API) into plain turns; the prompt is `prompt`'s."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from streamspace.engines import canonical
from streamspace.errors import RequestError
from streamspace.i18n import LazyText, t
from streamspace.tools import Call

Role = Literal["user", "assistant", "tool"]


@dataclass(frozen=True)
class Turn:
    """One message of a conversation; `text` holds no thoughts when the model wrote it.

    `images` are the paths that the client gave, until `images` has read them into pictures. `calls` are those that the
    model asked for in this turn, with its thoughts before them as `reasoning`, or the one whose result it is.
    """

    role: Role
    text: str
    images: tuple[Any, ...] = ()
    calls: tuple[Call, ...] = ()
    reasoning: str = ""

    @property
    def length(self) -> int:
        """Its characters."""
        return len(self.text) + len(self.reasoning) + sum(len(call.arguments) for call in self.calls)

    def of_calls(self) -> dict[str, Any]:
        """What a message has besides its text, as chat templates and servers read it."""
        if self.role == "tool":
            return {"tool_call_id": self.calls[0].id, "name": self.calls[0].name}
        if not self.calls:
            return {}
        thoughts = {"reasoning_content": self.reasoning} if self.reasoning else {}
        return {"tool_calls": [call.as_message() for call in self.calls], **thoughts}


def read(history: Any, message: str | Turn, most: int, files: Any = None) -> list[Turn]:
    """The last `most` messages of `history`, the last question at least, then `message`: alternating turns.

    A Turn among them is taken as it is: only a door can make one. `files` are the images that come with `message`, as
    Gradio describes uploaded files. Raises RequestError for an entry that isn't a message, or whose role is neither
    user nor assistant: the history comes from the client, which could otherwise slip a system message past the Space's
    own.
    """
    history = [] if history is None else history
    if not isinstance(history, Sequence) or isinstance(history, str):
        raise RequestError(t("error.history", found=_kind(history)))
    turns: list[Turn] = []
    for index, entry in enumerate(history):
        if turn := _turn(entry, f"history[{index}]"):
            turns.append(turn)
    turns.append(message if isinstance(message, Turn) else Turn("user", message, _paths(files)))
    return _alternating(turns[min(max(len(turns) - 1 - most, 0), _question(turns)) :])


def recent(turns: list[Turn], most: int) -> tuple[list[Turn], int]:
    """The newest turns, of `most` characters, and how many others; the last question is there however long it is."""
    start = _question(turns)
    left = most - sum(turn.length for turn in turns[start:])
    for index in range(start - 1, -1, -1):
        left -= turns[index].length
        if left < 0:
            break
        start = index if turns[index].role == "user" else start
    return turns[start:], start


def _question(turns: list[Turn]) -> int:
    """Where the last question is, with whose calls and results a reply has to do."""
    return max((index for index, turn in enumerate(turns) if turn.role == "user"), default=0)


def _paths(files: Any) -> tuple[str, ...]:
    listed = [] if files is None else files
    paths = [_path(file) for file in listed] if isinstance(listed, Sequence) else [None]
    if None in paths:
        raise RequestError(t("error.images"))
    return tuple(path for path in paths if path)


def _turn(entry: Any, where: str) -> Turn | None:
    """The turn that an entry holds, if any."""
    if isinstance(entry, Turn):
        return entry
    if not isinstance(entry, Mapping):
        raise RequestError(t("error.entry", where=where, found=_kind(entry)))
    role = entry.get("role")
    if role not in ("user", "assistant"):
        raise RequestError(t("error.role", where=where, role=str(role)[:40]))
    metadata = entry.get("metadata")
    if isinstance(metadata, Mapping) and (metadata.get("title") or metadata.get("id")):
        return None  # of Gradio's chatbot: thoughts have a title, other notes an id
    text, images = _content(entry.get("content"), f"{where}.content")
    if role == "assistant":
        text, images = canonical.of_kind(canonical.read(text), "answer"), ()
    return Turn(cast(Role, role), text, images) if text.strip() or images else None


def _content(content: Any, where: str) -> tuple[str, tuple[str, ...]]:
    """The text of a message, and the paths of its files.

    It is a string, or Gradio's `{"type": "text", "text": ...}` or `{"type": "file", "file": ...}`, alone or in a list.
    """
    if isinstance(content, str):
        return content, ()
    if isinstance(content, Mapping) and isinstance(content.get("text"), str):
        return content["text"], ()
    if isinstance(content, Mapping) and (path := _path(content.get("file"))):
        return "", (path,)
    if isinstance(content, Sequence):
        parts = [_content(part, f"{where}[{index}]") for index, part in enumerate(content)]
        return "".join(text for text, _ in parts), tuple(path for _, paths in parts for path in paths)
    raise RequestError(t("error.content", where=where, found=_kind(content)))


def _path(file: Any) -> str | None:
    path = file.get("path") if isinstance(file, Mapping) else None
    return path if isinstance(path, str) and path else None


def _alternating(turns: list[Turn]) -> list[Turn]:
    """Neighbours of one role joined (a reply between them failed), and no reply without its question.

    Many chat templates refuse anything else.
    """
    joined: list[Turn] = []
    for turn in turns:
        if joined and joined[-1].role == turn.role and not joined[-1].calls + turn.calls:
            texts = [text for text in (joined[-1].text, turn.text) if text]
            joined[-1] = Turn(turn.role, "\n\n".join(texts), joined[-1].images + turn.images)
        elif joined or turn.role == "user":
            joined.append(turn)
    return joined


def _kind(value: Any) -> LazyText:
    return t("error.nothing") if value is None else t("error.value", type=type(value).__name__)
