"""Tries an engine on a model before visitors do: it must run, and write what the plain engine writes."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from transformers import PreTrainedModel

from streamspace.engines.engine import Engine
from streamspace.engines.explained import without_introduction
from streamspace.errors import first_line
from streamspace.events import Event, Failure, Request, TextDelta
from streamspace.sampling import SamplingParams

TOKENS = 8  # the first comes from the prompt's pass alone, the others show that what was read is remembered
GREEDY = SamplingParams(max_new_tokens=TOKENS, temperature=0, seed=0)


def incompatibility(
    engine: Engine, plain: Engine, prompts: Sequence[tuple[int, ...]], exact: bool = True
) -> str | None:
    """Why `engine` can't be used for this model; None when it can. Takes a few passes of the model.

    The prompts are of different lengths, and are answered one by one and then at once: some models fail at nothing
    else. At once they are compared only where that is `exact`: int8 on a CPU rounds by all that share a pass.
    """
    requests = [Request(prompt, GREEDY) for prompt in prompts]
    expected = [_text(_events(plain, request)) for request in requests]
    try:
        alone = []
        for request in requests:
            alone.append(_events(engine, request))
            if isinstance(alone[-1][-1], Failure):
                return without_introduction(alone[-1][-1].message)
        with ThreadPoolExecutor(len(requests)) as pool:
            together = list(pool.map(lambda request: _events(engine, request), requests))
    except Exception as error:  # whatever a model that it wasn't made for brings about
        return first_line(f"{type(error).__name__}: {error}")
    for events in together:
        if isinstance(events[-1], Failure):
            return without_introduction(events[-1].message)
    compared = [alone, together] if exact else [alone]
    if any([_text(events) for events in answered] != expected for answered in compared):
        return "its text is not the one that generate writes"
    return None


def _events(engine: Engine, request: Request) -> list[Event]:
    return list(engine.stream(request, threading.Event()))


def _text(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def takes_positions(model: Any) -> bool:
    """Whether the model, or its decoder, is told each token's position: one that counts them itself may count wrong.

    So it does in a pass that others share, and after what an earlier reply has read. Short replies of such a model can
    still be the right ones, so that a trial isn't enough to know.
    """
    parts = [part for part in model.modules() if isinstance(part, PreTrainedModel)]
    return any("position_ids" in inspect.signature(part.forward).parameters for part in parts)
