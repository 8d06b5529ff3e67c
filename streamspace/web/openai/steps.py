"""A reply step by step, as this API tells it: its thoughts, its text, and at its end the calls it consists of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace

from streamspace.engines import calls, canonical
from streamspace.events import Finished, Part
from streamspace.prompt.prompt import Prompts
from streamspace.reply.progress import Replies
from streamspace.tools import Tools
from streamspace.web.openai.forms import Texts

Read = Callable[[tuple[Part, ...], bool], Awaitable[Texts]]  # of a reply's parts, and whether these are all


@dataclass(frozen=True)
class Step:
    """A reply so far: its texts, None while there are none, and its end."""

    texts: Texts | None
    end: Finished | None


Steps = AsyncGenerator[Step, None]


async def plain(parts: tuple[Part, ...], whole: bool) -> Texts:
    """The texts of a reply that may call nothing."""
    return Texts.of(parts)


async def steps(replies: Replies, read: Read = plain) -> Steps:
    """The steps of a reply, each read so."""
    async with aclosing(replies):
        async for progress in replies:
            now = await read(progress.parts, bool(progress.end)) if progress.parts else None
            yield Step(now and replace(now, scored=progress.scored), progress.end)


def reading(tools: Tools, prompts: Prompts, prefix: str, most: int | None) -> Read:
    """How to read a reply that may call these functions, `most` of them; the calls' ids have this prefix.

    A call is told when the reply is whole, and until then no answer that may turn out to be one.
    """

    async def read(parts: tuple[Part, ...], whole: bool) -> Texts:
        texts, answer = Texts.of(parts), canonical.of_kind(parts, "answer")
        if not whole:
            return replace(texts, content="" if tools.required or calls.may_be(answer) else answer)
        found = (await asyncio.to_thread(prompts.calls, parts, tools))[:most]
        if not found:
            return texts
        named = tuple(replace(each, id=f"{prefix}{index}") for index, each in enumerate(found))
        said = answer if canonical.of_kind(parts, "tool_call") else ""
        return Texts(texts.reasoning, said, named)

    return read
