"""Tries an engine on a model before visitors do: it must run, and write what the plain engine writes."""

from __future__ import annotations

import threading

from streamspace.engines.engine import Engine
from streamspace.events import Event, Failure, Request, SamplingParams, TextDelta

TOKENS = 4  # the first comes from the prompt's pass alone, the others show that what was read is remembered
GREEDY = SamplingParams(max_new_tokens=TOKENS, temperature=0, top_p=1, top_k=0, repetition_penalty=1, seed=0)


def incompatibility(engine: Engine, plain: Engine, prompt: tuple[int, ...]) -> str | None:
    """Why `engine` can't be used for this model; None when it can. Takes a few passes of the model."""
    request = Request(prompt, GREEDY)
    expected = list(plain.stream(request, threading.Event()))
    try:
        events = list(engine.stream(request, threading.Event()))
    except Exception as error:  # whatever a model that it wasn't made for brings about
        return f"{type(error).__name__}: {error}"
    if isinstance(events[-1], Failure):
        return events[-1].message
    if _text(events) != _text(expected):
        return "its text is not the one that generate writes"
    return None


def _text(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))
