"""A reply so far, as the page and the API are told of it, step by step; `pipeline` makes the steps."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace

from streamspace.engines import canonical
from streamspace.events import Finished, Heartbeat, Part, Phase, Reclassified, Scored, TextDelta


@dataclass(frozen=True)
class Progress:
    """A reply so far: its parts, what the model is doing, and the end when it has come.

    `dropped_messages` and `dropped_images` count the oldest ones that didn't fit, `note` says how far the model is
    while it loads, and `position` is the reply's in the queue: 0 runs, 1 is the next. `gpu_seconds` is what it asks
    ZeroGPU for. `scored` are the answer's tokens, where these are asked for.
    """

    parts: tuple[Part, ...] = ()
    tokens: int = 0
    phase: Phase = "waiting"
    dropped_messages: int = 0
    dropped_images: int = 0
    end: Finished | None = None
    note: str = ""
    position: int = 0
    gpu_seconds: int = 0
    scored: tuple[Scored, ...] = ()

    @property
    def text(self) -> str:
        """All that was written, in the one form that every model's reply has."""
        return canonical.render(self.parts)

    @property
    def length(self) -> int:
        """How many characters were written."""
        return sum(len(part.text) for part in self.parts)


Replies = AsyncGenerator[Progress, None]


def after(now: Progress, event: TextDelta | Reclassified | Heartbeat | Finished) -> Progress:
    """The next step: a reply with one more event."""
    if isinstance(event, TextDelta):
        parts = canonical.extended(now.parts, Part(event.kind, event.text))
        return replace(now, parts=parts, tokens=event.tokens, phase="decode", scored=now.scored + event.scored)
    if isinstance(event, Reclassified):
        return replace(now, parts=canonical.extended(now.parts, event), scored=())
    if isinstance(event, Heartbeat):
        return replace(now, phase=event.phase, gpu_seconds=event.gpu_seconds or now.gpu_seconds)
    return replace(now, tokens=event.tokens, end=event)
