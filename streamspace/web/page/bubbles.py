"""Converts a reply's progress to messages of the chatbot and to a status line, in the visitor's language.

All functions are pure. Markup is escaped here; the layout is left to the pages.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from streamspace.events import Finished, Kind, Part
from streamspace.i18n import LazyText, t, translate
from streamspace.prompt.conversation import PROBLEM
from streamspace.reply.progress import Progress
from streamspace.web.page import markup

Message = dict[str, Any]
TOOL_CALL = "tool_call"  # the metadata id of a tool call
FIGURES = "figures"  # the metadata id of the line under a finished reply
UNFINISHED = {"length", "cancelled", "timeout"}  # the reasons for an end after which a reply can be continued


def text(content: str, role: str = "assistant", **metadata: Any) -> Message:
    """A message. Its content is a list of one part, since Gradio strips the indentation of a plain string."""
    return {"role": role, "content": [{"type": "text", "text": content}], "metadata": metadata or None}


def messages(progress: Progress, seconds: Sequence[float] = (), language: str = "en") -> list[Message]:
    """The reply so far: a message for each of its parts, which took so many `seconds`, and one for its figures."""
    shown = []
    for index, part in enumerate(progress.parts):
        growing = part is progress.parts[-1] and progress.end is None
        took = round(seconds[index], 1) if index < len(seconds) else 0.0
        shown.append(_part(part, growing, took, language))
    if progress.end:
        ended = html.escape(figures(progress.end).in_language(language))
        shown.append(text(f'<span class="figures">{ended}</span>', id=FIGURES))
    return shown


def _part(part: Part, growing: bool, seconds: float, language: str) -> Message:
    """What isn't answer is folded, under a title."""
    if part.kind == "answer":
        return text(markup.escape(part.text))
    if part.kind == "tool_call":
        return text(
            markup.escape(f"```\n{part.text}\n```"), id=TOOL_CALL, title=t("reply.tool_call").in_language(language)
        )
    if growing:
        return text(markup.escape(part.text), title=t("reply.thinking").in_language(language), status="pending")
    title = t("reply.reasoning").in_language(language)
    return text(markup.escape(part.text), title=title, status="done", duration=seconds)


def failure(message: str) -> Message:
    """An error in place of a reply. The id keeps it out of later prompts."""
    return text(f"⚠️ {markup.escape(message)}", id=PROBLEM)


def status(progress: Progress, language: str = "en") -> str:
    """The status line: what is happening, or why the reply ended."""
    notice = (
        t("status.dropped_messages", messages=progress.dropped_messages).in_language(language)
        if progress.dropped_messages
        else ""
    )
    notice += (
        t("status.dropped_images", images=progress.dropped_images).in_language(language)
        if progress.dropped_images
        else ""
    )
    if progress.end:
        more = progress.end.reason in UNFINISHED
        return line(notice + t(f"status.{progress.end.reason}").in_language(language), more)
    if progress.note:
        return line(f"{notice}{translate(progress.note, language)}…")
    now = t("status.position", position=progress.position) if progress.position else t(f"status.{progress.phase}")
    return line(notice + now.in_language(language))


def line(words: str, more: bool = False) -> str:
    """A text as the status line. With `more` the reply can be continued, and the page's styles show Continue."""
    return f"<p{' data-more' if more else ''}>{html.escape(words)}</p>"


def figures(end: Finished) -> LazyText:
    """The number of tokens, the time to first token, the speed after it, and why the reply ended."""
    writing = end.duration - end.time_to_first_token
    speed = t("reply.speed", speed=(end.tokens - 1) / writing) if end.tokens > 1 and writing > 0 else ""
    return t(
        "reply.figures", tokens=end.tokens, first=end.time_to_first_token, speed=speed, why=t(f"reply.{end.reason}")
    )


def last_exchange(messages: Any) -> tuple[list[Any], Any, tuple[Part, ...]]:
    """The messages before the visitor's last one, the text of that, and what there is of its reply."""
    listed = markup.unescape(messages) if isinstance(messages, list) else []
    roles = [message.get("role") if isinstance(message, dict) else None for message in listed]
    if "user" not in roles:
        return [], "", ()
    last = len(roles) - 1 - roles[::-1].index("user")
    reply = [message for message in listed[last + 1 :] if isinstance(message, dict)]
    begun = tuple(Part(kind, content(message)) for message in reply if (kind := _kind(message)))
    return listed[:last], content(listed[last]), begun


def _kind(message: Message) -> Kind | None:
    """The kind of part that a message of a reply shows; None for the page's own lines and for tool calls."""
    metadata = _metadata(message)
    if metadata.get("id"):
        return None
    return "reasoning" if metadata.get("title") else "answer"


def content(message: dict[str, Any]) -> str:
    """The text of a message of the chatbot."""
    found = message.get("content")
    if isinstance(found, list):
        return "".join(part["text"] for part in found if isinstance(part, dict) and isinstance(part.get("text"), str))
    return found if isinstance(found, str) else ""


def _metadata(message: dict[str, Any]) -> dict[str, Any]:
    found = message.get("metadata")
    return found if isinstance(found, dict) else {}


def diagnosis(message: str, reload: bool = True, language: str = "en") -> str:
    """Why the model isn't loaded, and what the Space's owner can do: `reload` says that a new visit loads it again."""
    note = html.escape(t("status.then_reload" if reload else "status.then_restart").in_language(language))
    return f'<div id="diagnosis" role="alert"><p>⚠️ {html.escape(message)}.</p><p>{note}</p></div>'


def problem(message: str) -> str:
    """An error as the status line, on the page without a chatbot."""
    return f"<p>⚠️ {html.escape(message)}</p>"
