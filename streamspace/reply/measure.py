"""What a message would take of the context window and of the visitor's GPU quota; `pipeline` measures it."""

from __future__ import annotations

from dataclasses import dataclass

from streamspace.errors import RequestError


@dataclass(frozen=True)
class Measure:
    """What a message would take: `tokens` of the `room` for a prompt, `seconds` of GPU quota; or why it's refused.

    A 0 is what nobody counts here.
    """

    tokens: int = 0
    room: int = 0
    seconds: int = 0
    problem: RequestError | None = None
