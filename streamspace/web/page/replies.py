"""What the page is told of a reply while it grows, in the visitor's language; static/messages.js draws it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from streamspace.errors import StreamspaceError
from streamspace.events import Finished, Part
from streamspace.i18n import LazyText, t, translate
from streamspace.reply.measure import Measure
from streamspace.reply.progress import Progress
from streamspace.web.page.updates import Show, Stopwatch

Shown = dict[str, Any]


def shows(identity: str, before: Sequence[Part], language: str) -> Show:
    """What is shown of each step of the reply with this identity, after the parts `before`, and of an error."""
    stopwatch = Stopwatch()

    def show(progress: Progress, error: StreamspaceError | None) -> Shown:
        shown = reply(progress, stopwatch.seconds(progress), language)
        earlier = [{"kind": part.kind, "text": part.text, "seconds": 0.0} for part in before]
        shown |= {"id": identity, "parts": _joined(earlier, shown["parts"])}
        return shown | {"state": "failed", "error": error.in_language(language)} if error else shown

    return show


def _joined(before: list[Shown], parts: list[Shown]) -> list[Shown]:
    if not before or not parts:
        return before + parts
    return [*before[:-1], {**parts[0], "text": before[-1]["text"] + parts[0]["text"]}, *parts[1:]]


def reply(progress: Progress, seconds: Sequence[float] = (), language: str = "en") -> Shown:
    """The reply so far: parts of {kind, text, seconds}, its state, and lines of words, each of which may be empty."""
    end = progress.end
    return {
        "parts": [
            {"kind": part.kind, "text": part.text, "seconds": round(took, 1)}
            for part, took in zip(progress.parts, [*seconds, *[0.0] * len(progress.parts)], strict=False)
        ],
        "state": {"stop": "done", "cancelled": "stopped"}.get(end.reason, end.reason) if end else "writing",
        "notice": _dropped(progress, language),
        "status": "" if end else status(progress, language),
        "ended": t(f"status.{end.reason}").in_language(language) if end and end.reason != "stop" else "",
        "figures": figures(end).in_language(language) if end else "",
        "error": "",
    }


def status(progress: Progress, language: str = "en") -> str:
    """What is happening before there is text."""
    if progress.note:
        return str(translate(progress.note, language))
    now = t("status.position", position=progress.position) if progress.position else t(f"status.{progress.phase}")
    return now.in_language(language)


def figures(end: Finished) -> LazyText:
    """The number of tokens, the time to first token, and the speed after it."""
    writing = end.duration - end.time_to_first_token
    speed = t("reply.speed", speed=(end.tokens - 1) / writing) if end.tokens > 1 and writing > 0 else ""
    return t("reply.figures", tokens=end.tokens, first=end.time_to_first_token, speed=speed)


def measured(measure: Measure, language: str = "en") -> str:
    """What a draft takes of the context window, and what its reply asks for of the visitor's quota."""
    tokens = t("status.tokens", tokens=measure.tokens, room=measure.room) if measure.tokens else ""
    cost = t("status.cost", seconds=measure.seconds) if measure.seconds else ""
    return " · ".join(text.in_language(language) for text in (tokens, cost) if isinstance(text, LazyText))


def parts(begun: Sequence[dict[str, Any]]) -> tuple[Part, ...]:
    """The parts of a reply that has begun, which the page sends back; a tool call isn't continued."""
    return tuple(Part(part["kind"], part["text"]) for part in begun if part["kind"] != "tool_call")


def _dropped(progress: Progress, language: str) -> str:
    counts = {"messages": progress.dropped_messages, "images": progress.dropped_images}
    told = [
        t(f"status.dropped_{name}", **{name: count}).in_language(language) for name, count in counts.items() if count
    ]
    return " · ".join(told)
