"""Tells a reasoning model's thoughts from its answer, in text that is still growing."""

from __future__ import annotations

from dataclasses import dataclass

OPEN, CLOSE = "<think>", "</think>"


@dataclass(frozen=True)
class Parts:
    """A reply taken apart. `thought` is None when there is none; `thinking` says that its end hasn't come yet."""

    thought: str | None
    answer: str
    thinking: bool


def split(text: str) -> Parts:
    """The thoughts and the answer of `text`. Text that could still become the opening tag is not shown as an answer."""
    start = text.lstrip()
    if not start.startswith(OPEN):
        return Parts(None, "" if start and OPEN.startswith(start) else text, False)
    thought, closed, answer = start[len(OPEN) :].partition(CLOSE)
    if not closed:
        return Parts(_without_partial(thought, CLOSE).strip("\n"), "", True)
    return Parts(thought.strip("\n"), answer.lstrip("\n"), False)


def strip(text: str) -> str:
    """The answer alone: what may be sent back to the model in a later turn."""
    return split(text).answer


def join(thought: str | None, answer: str) -> str:
    """The text that `split` would take apart into these; thoughts without an answer are still going on."""
    if thought is None:
        return answer
    return f"{OPEN}\n{thought}\n{CLOSE}\n\n{answer}" if answer else f"{OPEN}\n{thought}"


def _without_partial(text: str, tag: str) -> str:
    """`text` without a beginning of `tag` at its end, which would flicker on the page."""
    for length in range(len(tag) - 1, 0, -1):
        if text.endswith(tag[:length]):
            return text[:-length]
    return text
