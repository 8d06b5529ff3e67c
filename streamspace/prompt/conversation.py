"""Reads a conversation as clients send it (the page, the API) into plain turns; the prompt is `prompt`'s."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from streamspace.engines import canonical
from streamspace.errors import RequestError
from streamspace.i18n import LazyText, t

Role = Literal["user", "assistant"]


@dataclass(frozen=True)
class Turn:
    """One message of a conversation; `text` holds no thoughts when the model wrote it.

    `images` are the paths that the client gave, until `images` has read them into pictures.
    """

    role: Role
    text: str
    images: tuple[Any, ...] = ()


def read(history: Any, message: str, most: int, files: Any = None) -> list[Turn]:
    """The last `most` messages of `history`, then `message`: alternating turns, the first and the last the user's.

    `files` are the images that come with `message`, as Gradio describes uploaded files. Raises RequestError for an
    entry that isn't a message, or whose role is neither user nor assistant: the history comes from the client, which
    could otherwise slip a system message past the Space's own.
    """
    history = [] if history is None else history
    if not isinstance(history, Sequence) or isinstance(history, str):
        raise RequestError(t("error.history", found=_kind(history)))
    turns: list[Turn] = []
    for index, entry in enumerate(history):
        if turn := _turn(entry, f"history[{index}]"):
            turns.append(turn)
    return _alternating([*turns[-most:], Turn("user", message, _paths(files))])


def _paths(files: Any) -> tuple[str, ...]:
    listed = [] if files is None else files
    paths = [_path(file) for file in listed] if isinstance(listed, Sequence) else [None]
    if None in paths:
        raise RequestError(t("error.images"))
    return tuple(path for path in paths if path)


def _turn(entry: Any, where: str) -> Turn | None:
    """The turn that an entry holds, if any."""
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
        if joined and joined[-1].role == turn.role:
            texts = [text for text in (joined[-1].text, turn.text) if text]
            joined[-1] = Turn(turn.role, "\n\n".join(texts), joined[-1].images + turn.images)
        elif joined or turn.role == "user":
            joined.append(turn)
    return joined


def _kind(value: Any) -> LazyText:
    return t("error.nothing") if value is None else t("error.value", type=type(value).__name__)
