"""Who comes, and how: visitors that read a reply whole, slowly or in part, and what became of each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from random import Random
from typing import Literal

from scripts.soak.doors import DOORS, PATIENCE, Case, Refused, Space

Outcome = Literal["same", "differs", "refused", "left", "answered", "failed"]
MANNERS = {"whole": 6, "leaves": 3, "slow": 1}  # how often each
MESSAGES = ("How do I change the model?", "What is ZeroGPU?", "Show me a table", "Count to two hundred")
HISTORY = ({"role": "user", "content": "What is ZeroGPU?"}, {"role": "assistant", "content": "Shared hardware."})
CASES = (
    *(Case(message, {"max_new_tokens": tokens, "temperature": 0}) for message in MESSAGES for tokens in (16, 64)),
    *(Case(message, {"max_new_tokens": 48, "temperature": 1.0, "seed": 7}) for message in MESSAGES),
    *(Case(message, {"max_new_tokens": 32, "temperature": 0}, HISTORY) for message in MESSAGES[:2]),
    Case(MESSAGES[-1], {"max_new_tokens": 400, "temperature": 0}),
)


@dataclass(frozen=True)
class Visit:
    """One visit: by which door, in which manner, what became of it, and after how many seconds its reply began."""

    door: str
    manner: str
    outcome: Outcome
    detail: str = ""
    first: float | None = None


async def undisturbed(space: Space) -> dict[Case, str]:
    """The text of each case, asked for alone."""
    texts = {}
    for case in CASES:
        async with aclosing(DOORS["openai"](space, case)) as found:
            texts[case] = [text async for text in found][-1]
    return texts


async def visit(space: Space, texts: Mapping[Case, str], chance: Random) -> Visit:
    """A visit by one of the doors, whose text is compared at each step."""
    door, case = chance.choice(list(DOORS)), chance.choice(CASES)
    (manner,) = chance.choices(list(MANNERS), list(MANNERS.values()))
    patience = chance.expovariate(2) if manner == "leaves" else PATIENCE
    began, first, read, whole = time.monotonic(), None, "", texts[case]
    try:
        async with asyncio.timeout(patience), aclosing(DOORS[door](space, case)) as found:
            async for read in found:
                if read and first is None:
                    first = time.monotonic() - began
                if not whole.startswith(read):
                    break
                if manner == "slow":
                    await asyncio.sleep(chance.uniform(0, 0.4))
    except Refused:
        return Visit(door, manner, "refused")
    except TimeoutError:
        left = manner == "leaves"
        return Visit(door, manner, "left" if left else "failed", "" if left else f"no end within {PATIENCE:.0f} s")
    except Exception as error:  # whatever a client raises
        return Visit(door, manner, "failed", f"{type(error).__name__}: {error}"[:300])
    if read == whole:
        return Visit(door, manner, "same", first=first)
    return Visit(door, manner, "differs", difference(read, whole), first)


def difference(read: str, whole: str) -> str:
    """Where a text goes another way than the undisturbed one."""
    at = next((at for at, (one, other) in enumerate(zip(read, whole, strict=False)) if one != other), len(read))
    return f"{read[at : at + 20]!r} for {whole[at : at + 20]!r} after {at} of {len(whole)} characters"
