"""Shows a reply's progress as messages of the chatbot and as a line of status; pure functions of values."""

from __future__ import annotations

import html
from typing import Any

from streamspace import thoughts
from streamspace.conversation import PROBLEM
from streamspace.events import End
from streamspace.reply import Progress

Message = dict[str, Any]
FIGURES = "figures"  # the metadata id of the line under a finished reply

ENDINGS = {
    "finished": "Finished",
    "length": "Cut at the longest reply: Continue, or raise it in the settings",
    "stopped": "Stopped",
    "time": "Ended by the GPU time it asked for: Continue goes on",
}
WHY = {"finished": "finished", "length": "cut at the longest reply", "stopped": "stopped", "time": "out of GPU time"}
UNFINISHED = {"length", "stopped", "time"}  # a reply that ended so can go on
PHASES = {"waiting": "Waiting for the model…", "reading": "Reading the prompt…", "writing": "Writing…"}


def text(content: str, role: str = "assistant", **metadata: Any) -> Message:
    """A message. The content goes as a part, since Gradio strips the indentation of a bare string."""
    return {"role": role, "content": [{"type": "text", "text": content}], "metadata": metadata or None}


def messages(progress: Progress, thinking: float = 0.0) -> list[Message]:
    """The reply so far: thoughts (which took `thinking` seconds) in a part of their own, the answer, its figures."""
    parts = thoughts.split(progress.text)
    shown = []
    if parts.thought is not None and parts.thinking and progress.end is None:
        shown.append(text(parts.thought, title="Thinking…", status="pending"))
    elif parts.thought is not None:
        shown.append(text(parts.thought, title="Thoughts", status="done", duration=round(thinking, 1)))
    if parts.answer:
        shown.append(text(parts.answer))
    if progress.end:
        shown.append(text(f'<span class="figures">{html.escape(figures(progress.end))}</span>', id=FIGURES))
    return shown


def failure(message: str) -> Message:
    """A problem, where the reply would be. The id keeps it out of later prompts."""
    return text(f"⚠️ {message}", id=PROBLEM)


def status(progress: Progress) -> str:
    """One line: what is happening, or how it went."""
    notice = f"The {progress.dropped} oldest messages no longer fit and were left out · " if progress.dropped else ""
    if not progress.end:
        return line(notice + PHASES[progress.phase])
    return line(notice + ENDINGS[progress.end.reason], more=progress.end.reason in UNFINISHED)


def line(words: str, more: bool = False) -> str:
    """A line of status. `more` says that the reply can go on; the page's styles then show Continue."""
    return f"<p{' data-more' if more else ''}>{html.escape(words)}</p>"


def figures(end: End) -> str:
    """Tokens, time to the first, speed after it, and why it ended."""
    writing = end.seconds - end.first
    speed = f", {(end.tokens - 1) / writing:.0f} tokens/s" if end.tokens > 1 and writing > 0 else ""
    return f"{end.tokens} tokens, the first after {end.first:.2f} s{speed} · {WHY[end.reason]}"


def last_exchange(messages: Any) -> tuple[list[Any], Any, str]:
    """What was said before the visitor's last message, that message, and what there is of its reply."""
    listed = messages if isinstance(messages, list) else []
    roles = [message.get("role") if isinstance(message, dict) else None for message in listed]
    if "user" not in roles:
        return [], "", ""
    last = len(roles) - 1 - roles[::-1].index("user")
    reply = [message for message in listed[last + 1 :] if isinstance(message, dict)]
    thought = next((content(message) for message in reply if _metadata(message).get("title")), None)
    answers = [
        content(message) for message in reply if not (_metadata(message).get("title") or _metadata(message).get("id"))
    ]
    return listed[:last], content(listed[last]), thoughts.join(thought, "".join(answers))


def content(message: dict[str, Any]) -> str:
    """The text of a message as the chatbot sends it."""
    found = message.get("content")
    if isinstance(found, list):
        return "".join(part["text"] for part in found if isinstance(part, dict) and isinstance(part.get("text"), str))
    return found if isinstance(found, str) else ""


def _metadata(message: dict[str, Any]) -> dict[str, Any]:
    found = message.get("metadata")
    return found if isinstance(found, dict) else {}


def problem(message: str) -> str:
    """A problem as the line of status, where there are no bubbles."""
    return f'<p role="alert">⚠️ {html.escape(message)}</p>'
