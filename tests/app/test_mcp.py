"""The real app by MCP, through the client that agents use."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from mcp import ClientSession, McpError, types
from mcp.client.streamable_http import streamable_http_client

from tests.app.test_openai import LONG, client, loaded, replies, user
from tests.conftest import Probe
from tests.running import App


@asynccontextmanager
async def agent(app: App, path: str = "/mcp") -> AsyncIterator[ClientSession]:
    """A session of an agent, once the app's model is loaded."""
    await asyncio.to_thread(loaded, app)
    async with (
        streamable_http_client(f"{app.url}{path}") as (reading, writing, _),
        ClientSession(reading, writing) as session,
    ):
        await session.initialize()
        yield session


def said(result: types.CallToolResult) -> list[str]:
    return [part.text for part in result.content if isinstance(part, types.TextContent)]


async def ask(session: ClientSession, message: str, **arguments: Any) -> types.CallToolResult:
    return await session.call_tool("chat", {"message": message, **arguments})


@pytest.mark.parametrize("path", ["/mcp", "/mcp/"])
async def test_an_agent_finds_the_tool_and_gets_the_answer_of_the_other_doors(app: App, path: str) -> None:
    async with agent(app, path) as session:
        (tool,) = (await session.list_tools()).tools
        answer = await ask(session, "What is ZeroGPU?", temperature=0)
    assert (tool.name, tool.inputSchema["required"]) == ("chat", ["message"])
    with client(app) as other:
        same = other.chat.completions.create(model="tiny", messages=user("What is ZeroGPU?"), temperature=0)
    assert said(answer) == [same.choices[0].message.content]


async def test_text_is_told_as_it_comes_a_few_times_a_second(scripted: App) -> None:
    told: list[tuple[float, float, str]] = []

    async def tell(progress: float, total: float | None, message: str | None) -> None:
        told.append((time.monotonic(), progress, message or ""))

    async with agent(scripted) as session:
        answer = await session.call_tool("chat", {"message": "steady"}, progress_callback=tell)
    (whole,) = said(answer)
    pieces = "".join(words for *_, words in told if words in whole)
    assert whole.startswith(pieces)
    assert len(pieces) > 20
    moments, numbers, _ = zip(*told, strict=True)
    assert sorted(set(numbers)) == list(numbers)
    assert len(told) <= 2 + (moments[-1] - moments[0]) / 0.2


async def leave_by_cancelling(session: ClientSession, calling: asyncio.Task[Any]) -> None:
    params = types.CancelledNotificationParams(requestId=session._request_id - 1)
    cancelled = types.CancelledNotification(method="notifications/cancelled", params=params)
    await session.send_notification(types.ClientNotification(cancelled))
    assert said(await calling) == ["Cancelled, as the client has asked."]


async def leave_by_vanishing(session: ClientSession, calling: asyncio.Task[Any]) -> None:
    raise ConnectionError("the agent has ended")


@pytest.mark.parametrize("leave", [leave_by_cancelling, leave_by_vanishing])
async def test_an_agent_that_leaves_stops_the_model_and_frees_its_place(app: App, probe: Probe, leave: Any) -> None:
    before = await asyncio.to_thread(probe.settled)
    with probe.set("slow", "0.02"):
        try:
            async with agent(app) as session:
                calling = asyncio.ensure_future(ask(session, LONG, max_new_tokens=1024))
                while probe.steps - before < 5:
                    await asyncio.sleep(0.02)
                left = time.time()
                await leave(session, calling)
        except* ConnectionError:
            calling.cancel()
        await asyncio.sleep(1.5)
        assert probe.since(left + 0.5) == 0
        assert probe.steps - before < 60
    async with agent(app) as session:
        assert not (await ask(session, "What is ZeroGPU?")).isError


async def test_a_time_out_of_a_call_leaves_the_session_usable(app: App, probe: Probe) -> None:
    with probe.set("slow", "0.02"):
        async with agent(app) as session:
            with pytest.raises(McpError, match="Timed out"):
                await session.call_tool("chat", {"message": LONG}, timedelta(seconds=0.5))
            assert not (await ask(session, "What is ZeroGPU?", max_new_tokens=16)).isError


async def test_what_is_wrong_is_an_error_that_the_agent_reads_and_the_next_call_works(scripted: App) -> None:
    async with agent(scripted) as session:
        wrong = await ask(session, "hi", temperature=float("inf"))
        assert not wrong.isError  # its own client sends null in the place of it
        wrong = await ask(session, "hi", temperature=9)
        assert (wrong.isError, said(wrong)) == (True, ["temperature: expected a number from 0 to 1.5, got 9"])
        failed = await ask(session, "bad")
        assert (failed.isError, said(failed)) == (True, ["the device is on fire"])
        with pytest.raises(McpError, match="method: expected one of initialize, ping, tools/list, tools/call"):
            await session.list_resources()
        assert said(await ask(session, "think")) == ["The answer is 3."]
        assert said(await ask(session, "cut")) == [
            "One reply, cut in the middle of a wo",
            "The answer is cut here, at max_new_tokens.",
        ]


async def test_answers_at_once_are_not_mixed_up(scripted: App) -> None:
    texts = [f"{number} " * 50 for number in range(8)]

    async def alone(text: str) -> list[str]:
        async with agent(scripted) as session:
            return said(await ask(session, text))

    assert await asyncio.gather(*map(alone, texts)) == [[text] for text in texts]


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """One message a minute, in an environment that asks Gradio for its own MCP server."""
    changes, env = {"limits.per_minute": 1}, {"GRADIO_MCP_SERVER": "True"}
    running = App(tmp_path_factory.mktemp("limited"), changes, "tests/standins/apps/scripted_app.py", env)
    yield running
    running.end()


async def test_an_agent_over_a_limit_reads_when_to_come_back(limited: App) -> None:
    async with agent(limited) as session:
        assert said(await ask(session, "hi")) == ["hi"]
        refused = await ask(session, "hi")
        assert refused.isError
        (words,) = said(refused)
        told = r"Messages that this Space takes from one visitor in a minute: 1\. Try again in \d+ s"
        assert re.fullmatch(told, words)
        assert (await session.list_tools()).tools
    assert [(line["door"], line["outcome"]) for line in replies(limited)] == [("mcp", "done"), ("mcp", "limited")]


def test_no_variable_opens_gradios_own_mcp_server(limited: App) -> None:
    sent = httpx.post(f"{limited.url}/gradio_api/mcp/", json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
    assert sent.status_code in (404, 405)


async def test_no_message_of_an_agent_reaches_the_log(app: App) -> None:
    secret = "xylophone-4712"
    async with agent(app) as session:
        await ask(session, secret, max_new_tokens=16)
        for arguments in ({"temperature": secret}, {secret: 1}, {"history": secret}):
            assert (await ask(session, secret, **arguments)).isError
        assert (await session.call_tool(secret)).isError
    assert secret not in app.log
    assert "Traceback" not in app.log
