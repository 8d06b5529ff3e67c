"""The ways in, each as a stream of a reply's text so far, through the client that people use there."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import httpx
import openai
from gradio_client import Client
from gradio_client.utils import apply_diff
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

PATIENCE = 60.0  # seconds until a silent server is a fault
FULL = "is full. Try again in a moment"  # a refusal's text, which is an answer too


@dataclass(frozen=True, eq=False)
class Case:
    """What is asked for: a message after a history, greedy or with a seed."""

    message: str
    sampling: dict[str, Any]
    history: tuple[dict[str, str], ...] = ()


@dataclass(frozen=True)
class Space:
    """A running app, and the function of its page that answers questions."""

    url: str
    question: int = 0


class Refused(Exception):
    """The queue is full, and the server has said so as its door says it."""


Texts = AsyncIterator[str]
Door = Callable[[Space, Case], Texts]


def client(space: Space) -> httpx.AsyncClient:
    """A client of its own for one visitor."""
    return httpx.AsyncClient(base_url=space.url, timeout=PATIENCE, verify=False)


def body(case: Case, stream: bool) -> dict[str, Any]:
    """The body of a request of OpenAI's API."""
    sampling = {**case.sampling, "max_tokens": case.sampling["max_new_tokens"]}
    messages = [*case.history, {"role": "user", "content": case.message}]
    return {**{name: sampling[name] for name in sampling if name != "max_new_tokens"}, "messages": messages,
            "model": "tiny", "stream": stream}  # fmt: skip


async def openai_stream(space: Space, case: Case) -> Texts:
    """OpenAI's client, streaming."""
    text = ""
    async with openai.AsyncOpenAI(**_options(space)) as asking:
        try:
            async with await asking.chat.completions.create(**body(case, stream=True)) as chunks:
                async for chunk in chunks:
                    text += chunk.choices[0].delta.content or ""
                    yield text
        except openai.RateLimitError as error:
            raise Refused from error


async def openai_whole(space: Space, case: Case) -> Texts:
    """OpenAI's client, without streaming."""
    async with openai.AsyncOpenAI(**_options(space)) as asking:
        try:
            found = await asking.chat.completions.create(**body(case, stream=False))
        except openai.RateLimitError as error:
            raise Refused from error
        yield found.choices[0].message.content or ""


def _options(space: Space) -> dict[str, Any]:
    return {"base_url": f"{space.url}/v1", "api_key": "none", "max_retries": 0, "http_client": client(space)}


async def page(space: Space, case: Case) -> Texts:
    """What the page's modules send, by Gradio's queue. One who leaves presses Stop."""
    question = {"id": uuid.uuid4().hex, "message": case.message, "history": list(case.history),
                "sampling": case.sampling}  # fmt: skip
    session = uuid.uuid4().hex
    async with client(space) as asking:
        call = {"data": [question], "fn_index": space.question, "session_hash": session}
        joined = (await asking.post("/gradio_api/queue/join", json=call)).raise_for_status().json()
        ended, value = False, {}
        try:
            stream = asking.stream("GET", f"/gradio_api/queue/data?session_hash={session}")
            async with stream as answer, aclosing(_messages(answer)) as messages:
                async for told in messages:
                    ended = told["msg"] == "process_completed"
                    value = _applied(value, told)
                    shown = {} if value.get("__type__") else value  # nothing has changed yet
                    if FULL in str(shown.get("error", "")):
                        raise Refused
                    yield "".join(part["text"] for part in shown.get("parts", ()))
        finally:
            if not ended:
                stopped = {"session_hash": session, "fn_index": space.question, "event_id": joined["event_id"]}
                await asking.post("/gradio_api/cancel", json=stopped)


async def _messages(answer: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """The messages about an event that have a value, to its last one."""
    async for line in answer.aiter_lines():
        told = json.loads(line[5:]) if line.startswith("data:") else {"msg": ""}
        if told["msg"] in ("process_generating", "process_completed"):
            assert told["success"], "a call of the page's has failed"
            yield told
        if told["msg"] == "close_stream":
            return


def _applied(value: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    """The value after a message: the first and the last have all of it, others what has changed."""
    (new,) = told["output"]["data"]
    return apply_diff(value, new) if isinstance(new, list) else new


async def gradio(space: Space, case: Case) -> Texts:
    """Gradio's client. One who leaves cancels."""
    asking = await asyncio.to_thread(Client, space.url, verbose=False, ssl_verify=False)
    job = asking.submit(case.message, list(case.history), api_name="/chat", **case.sampling)
    try:
        while not job.done():
            if outputs := job.outputs():
                yield outputs[-1]
            await asyncio.sleep(0.05)
        if error := job.exception():
            raise Refused if FULL in str(error) else error
        yield job.outputs()[-1]
    finally:
        job.cancel()
        await asyncio.to_thread(asking.close)


async def mcp(space: Space, case: Case) -> Texts:
    """The client of agents. One who leaves vanishes."""
    arguments = {"message": case.message, "history": list(case.history), **case.sampling}
    async with (
        streamable_http_client(f"{space.url}/mcp") as (reading, writing, _),
        ClientSession(reading, writing) as session,
    ):
        await session.initialize()
        found = await session.call_tool("chat", arguments)
    text = getattr(found.content[0], "text", "")
    if found.isError:  # not raised within: the client's task groups would wrap it
        raise Refused if FULL in text else RuntimeError(text)
    yield text


DOORS: dict[str, Door] = {
    "openai stream": openai_stream, "openai": openai_whole, "page": page, "gradio": gradio, "mcp": mcp,
}  # fmt: skip
