"""Shows a reply's progress as messages of the chatbot and as a line of status; pure functions of values."""

from __future__ import annotations

import html
from typing import Any

from streamspace import thoughts
from streamspace.conversation import PROBLEM
from streamspace.events import End
from streamspace.reply import Progress

Message = dict[str, Any]

ENDINGS = {
    "finished": "finished",
    "length": "cut at the longest reply: raise it in the settings for more",
    "stopped": "stopped",
    "time": "ended by the GPU time it asked for",
}
PHASES = {"waiting": "Waiting for the model…", "reading": "Reading the prompt…", "writing": "Writing…"}


def text(content: str, role: str = "assistant", **metadata: Any) -> Message:
    """A message. The content goes as a part, since Gradio strips the indentation of a bare string."""
    return {"role": role, "content": [{"type": "text", "text": content}], "metadata": metadata or None}


def messages(progress: Progress) -> list[Message]:
    """The reply so far: thoughts in a part of their own, then the answer."""
    parts = thoughts.split(progress.text)
    shown = []
    if parts.thought is not None:
        thinking = parts.thinking and progress.end is None
        title = "Thinking…" if thinking else "Thoughts"
        shown.append(text(parts.thought, title=title, status="pending" if thinking else "done"))
    if parts.answer:
        shown.append(text(parts.answer))
    return shown


def failure(message: str) -> Message:
    """A problem, where the reply would be. The id keeps it out of later prompts."""
    return text(f"⚠️ {message}", id=PROBLEM)


def status(progress: Progress) -> str:
    """One line: what is happening, or how it went."""
    notice = f"The {progress.dropped} oldest messages no longer fit and were left out · " if progress.dropped else ""
    line = figures(progress.end) if progress.end else PHASES[progress.phase]
    return f"<p>{html.escape(notice + line)}</p>"


def figures(end: End) -> str:
    """Tokens, time to the first, speed after it, and why it ended."""
    if not end.tokens:
        return ENDINGS[end.reason].capitalize()
    writing = end.seconds - end.first
    speed = f", {(end.tokens - 1) / writing:.0f} tokens/s" if end.tokens > 1 and writing > 0 else ""
    return f"{end.tokens} tokens, the first after {end.first:.2f} s{speed} · {ENDINGS[end.reason]}"


def content(message: Any) -> Any:
    """The text of a message as the chatbot sends it; anything else is left for the check of what was asked."""
    found = message.get("content") if isinstance(message, dict) else None
    if isinstance(found, list):
        return "".join(part.get("text", "") for part in found if isinstance(part, dict))
    return found


def problem(message: str) -> str:
    """A problem as the line of status, where there are no bubbles."""
    return f'<p role="alert">⚠️ {html.escape(message)}</p>'
