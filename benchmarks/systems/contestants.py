"""The contestants: what is compared, as one table; `processes` starts them.

A new switch is one line of SWITCHES.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from streamspace import switches

BASELINE = "baseline"
LLAMA = "llama.cpp's server"


@dataclass(frozen=True)
class Contestant:
    """A system: its name, which of `processes.STARTS` starts it, the number format of its weights, and its doors.

    All have OpenAI's. `changes` are keys of the app's config file. One that is `of` another is that one without the
    speedup that `switch` names.
    """

    name: str
    start: str = "app"
    weights: str = "float32"
    page: bool = True
    changes: Mapping[str, object] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    of: str = ""
    switch: str = ""


CONTESTANTS = (
    Contestant("no model", "paced"),  # a prepared text through the baseline's doors: what the client can read
    Contestant("bare loop", "bare", page=False),  # of forward passes: as fast as the model is for one visitor
    Contestant(BASELINE, "baseline"),
    Contestant("transformers serve", "serve", page=False),
    Contestant(LLAMA, "llama", "q8_0", page=False),
    Contestant("generate", changes={"engine": "generate"}),
    Contestant("batching", changes={"engine": "batching"}),
    Contestant("batching bfloat16", weights="bfloat16", changes={"engine": "batching"}),
    Contestant("batching int8", weights="int8", changes={"engine": "batching"}),
    Contestant("llamacpp", weights="q8_0", changes={"engine": "llamacpp"}),
)
NAMED = {each.name: each for each in CONTESTANTS}


def without(
    of: str, switch: str, changes: Mapping[str, object] | None = None, env: Mapping[str, str] | None = None
) -> Contestant:
    """A contestant with one speedup taken out."""
    whole = NAMED[of]
    changed, name = {**whole.changes, **(changes or {})}, f"{of} without {switch}"
    return replace(whole, name=name, changes=changed, env=env or {}, of=of, switch=switch)


SWITCHES = (
    *(without("batching", words, env={switches.VARIABLE: name}) for name, words in switches.SWITCHES.items()),
    without("batching", "short waits of threads", env={"GOMP_SPINCOUNT": "300000"}),  # the library's own number
    without("batching", "more than 4 places", {"limits.concurrency": 4}),
    without("generate", "kept caches", {"limits.cache_megabytes": 0}),
    without("generate", "lookahead", {"limits.lookahead": 0}),
)


def groups() -> list[Sequence[Contestant]]:
    """Those that are measured in turn, and run at the same time: all contestants, then each with its switches."""
    switched = (
        [NAMED[of], *(each for each in SWITCHES if each.of == of)] for of in dict.fromkeys(s.of for s in SWITCHES)
    )
    return [CONTESTANTS, *switched]
