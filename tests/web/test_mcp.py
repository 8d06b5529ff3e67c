"""MCP without a server or a model: what the tool says it takes, what may be sent, and what is answered."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware

from streamspace.config.types import Config
from streamspace.errors import GpuError, ModelError
from streamspace.events import Event, Failure, Finished, Heartbeat, Message, Reclassified, TextDelta
from streamspace.web.door import Door
from streamspace.web.mcp import routes
from tests.reply.test_account import Told, told
from tests.running import changed
from tests.web import test_openai
from tests.web.test_openai import CONFIG, END, JSON_VALUES

__all__ = ["told"]  # a fixture

HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
SILENT = [Heartbeat("prefill"), TextDelta("Hi", 1), *[Heartbeat("decode")] * 2_000, END]


class Server(test_openai.Server):
    """The route over an engine, behind the door, in this process."""

    def __init__(self, *events: Event | Exception, config: Config = CONFIG, thinking: str | None = "on") -> None:
        super().__init__(*events, config=config, thinking=thinking)
        self.app = Starlette(routes=routes.routes(self.loader), middleware=[Middleware(Door, config=config)])

    async def ask(self, method: str, params: Any = None, path: str = "/mcp", **more: Any) -> list[Any]:
        """The messages that answer a request."""
        sent = {"jsonrpc": "2.0", "id": 1, "method": method, **({} if params is None else {"params": params}), **more}
        return read(await self.send("POST", path, content=json.dumps(sent).encode(), headers=HEADERS))

    async def call(self, _name: str = "chat", _token: Any = None, **arguments: Any) -> list[Any]:
        meta = {} if _token is None else {"_meta": {"progressToken": _token}}
        return await self.ask("tools/call", {"name": _name, "arguments": arguments, **meta})


def read(answer: httpx.Response) -> list[Any]:
    assert answer.status_code == 200, answer.text
    if answer.headers["Content-Type"].startswith("application/json"):
        return [answer.json()]
    return [json.loads(line[6:]) for line in answer.text.split("\n") if line.startswith("data: ")]


def texts(answer: list[Any]) -> list[str]:
    assert "isError" not in answer[-1]["result"] or answer[-1]["result"]["isError"] is False
    return [part["text"] for part in answer[-1]["result"]["content"]]


def refused(answer: list[Any]) -> str:
    assert answer[-1]["result"]["isError"] is True
    (part,) = answer[-1]["result"]["content"]
    return part["text"]


async def listed(server: Server) -> dict[str, Any]:
    ((answer),) = await server.ask("tools/list")
    (tool,) = answer["result"]["tools"]
    return tool


async def test_the_tool_says_what_it_takes() -> None:
    tool = await listed(Server(thinking=None))
    schema = tool.pop("inputSchema")
    assert tool == {
        "name": "chat",
        "title": CONFIG.page.title,
        "description": "Asks the language model tiny and returns its answer. The model sees nothing but what you send: put "
        f"all that it needs into `message`, and earlier turns into `history`. {CONFIG.page.description}",
        "annotations": {
            "title": CONFIG.page.title, "readOnlyHint": True, "destructiveHint": False, "openWorldHint": False
        },
    }  # fmt: skip
    properties = schema.pop("properties")
    assert schema == {"type": "object", "required": ["message"], "additionalProperties": False}
    assert list(properties) == [
        "message", "history", "system_prompt", "thinking", "max_new_tokens", "temperature", "top_p", "top_k", "min_p",
        "repetition_penalty", "seed",
    ]  # fmt: skip
    assert all(each["description"].endswith(".") for each in properties.values())
    assert properties["message"]["maxLength"] == properties["system_prompt"]["maxLength"] == 4000
    assert properties["thinking"]["enum"] == ["off", "on", "low", "medium", "high", "max"]
    assert properties["temperature"] == {
        "type": "number",
        "minimum": 0,
        "maximum": 1.5,
        "default": CONFIG.sampling.temperature.default,  # type: ignore[attr-defined]
        "description": "Sampling temperature; 0 is greedy decoding.",
    }
    assert (properties["top_k"]["type"], properties["seed"]["maximum"]) == ("integer", 2**31 - 1)


async def test_only_the_levels_that_a_loaded_model_has_are_listed() -> None:
    assert (await listed(Server()))["inputSchema"]["properties"]["thinking"]["enum"] == ["off", "on"]


async def test_a_model_that_completes_has_another_tool_and_one_that_sees_says_that_it_takes_text_only() -> None:
    tool = await listed(Server(config=Config.model_validate(changed({"task": "completion"}))))
    assert (tool["name"], tool["inputSchema"]["required"]) == ("complete", ["prompt"])
    assert list(tool["inputSchema"]["properties"])[:2] == ["prompt", "max_new_tokens"]
    tool = await listed(Server(config=Config.model_validate(changed({"task": "image-chat"}))))
    assert " Images can't be sent by this tool. " in tool["description"]


async def test_an_answer_is_text_without_the_thoughts() -> None:
    server = Server(TextDelta("Hm", 1, "reasoning"), TextDelta("Yes", 2), END)
    assert texts(await server.call(message="Hello")) == ["Yes"]
    reclassified = Server(TextDelta("Hm", 1), Reclassified(), TextDelta("Yes", 2), END)
    assert texts(await reclassified.call(message="Hello")) == ["Yes"]


@pytest.mark.parametrize(
    ("reason", "note"),
    [
        ("length", "The answer is cut here, at max_new_tokens."),
        ("timeout", "The answer is cut here: the requested GPU time has run out."),
    ],
)
async def test_a_cut_answer_says_so_in_a_text_of_its_own(reason: Any, note: str) -> None:
    server = Server(TextDelta("Hi", 1), Finished(reason, 1, 0.1, 0.1))
    assert texts(await server.call(message="Hello")) == ["Hi", note]


async def test_a_call_asks_for_a_reply_as_every_door_does() -> None:
    server = Server()
    history = [{"role": "user", "content": "One"}, {"role": "assistant", "content": "Two"}]
    await server.call(
        message="Three",
        history=history,
        system_prompt="Rhyme.",
        thinking="off",
        temperature=1,
        max_new_tokens=20,
        seed=5,
    )
    (request,) = server.engine.asked
    assert request.messages == (
        Message("system", "Rhyme."), Message("user", "One"), Message("assistant", "Two"), Message("user", "Three"),
    )  # fmt: skip
    assert (request.thinking, request.sampling.temperature, request.sampling.max_new_tokens) == ("off", 1, 20)
    assert request.sampling.seed == 5


async def test_text_is_told_only_to_who_asks_for_it_and_its_number_grows() -> None:
    assert len(await Server().call(message="Hello")) == 1
    *told, _ = await Server(Heartbeat("prefill"), TextDelta("Hi", 1), END).call(_token="t", message="Hello")
    assert told
    assert {each["method"] for each in told} == {"notifications/progress"}
    assert {each["params"]["progressToken"] for each in told} == {"t"}
    numbers = [each["params"]["progress"] for each in told]
    assert sorted(set(numbers)) == numbers


BAD = [  # arguments, what an agent reads
    ({}, "message: expected text, got nothing"),
    ({"message": 7}, "message: expected text, got 7"),
    ({"message": ["x"]}, "message: expected text, got a list of 1"),
    ({"message": " "}, "Write a message first: this one is empty"),
    ({"message": "x" * 4001}, "This message is too long: 4,001 characters, and this Space takes 4,000. Shorten it"),
    ({"message": "x", "temprature": 1},
     "temprature: expected one of message, history, system_prompt, thinking, max_new_tokens, temperature, top_p, top_k, "
     "min_p, repetition_penalty, seed"),
    ({"message": "x", "history": "y"}, "history: expected a list of messages, got a value of type str"),
    ({"message": "x", "history": [{"role": "system", "content": "y"}]},
     "history[0].role: expected 'user' or 'assistant', got 'system'. Instructions go into system_prompt"),
    ({"message": "x", "history": [{"role": "user", "content": 7}]},
     "history[0].content: expected text, got a value of type int"),
    ({"message": "x", "system_prompt": 7},
     "System prompt (system_prompt): expected text of at most 4,000 characters. Shorten it"),
    ({"message": "x", "thinking": "loud"}, 'thinking: expected off, on, got "loud"'),
    ({"message": "x", "temperature": 9}, "temperature: expected a number from 0 to 1.5, got 9"),
    ({"message": "x", "temperature": True}, "temperature: expected a number from 0 to 1.5, got 'True'"),
    ({"message": "x", "max_new_tokens": 10**400},
     f"max_new_tokens: expected a whole number from 16 to 1024, got '{'1' + '0' * 39}'"),
    ({"message": "x", "seed": -1}, "seed: expected a whole number from 0 to 2147483647, or none, got '-1'"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "words"), BAD, ids=[words[:50] for _, words in BAD])
async def test_what_is_wrong_with_a_call_is_an_error_of_the_tool(arguments: dict[str, Any], words: str) -> None:
    server = Server()
    assert refused(await server.call(**arguments)) == words
    assert server.engine.asked == []


async def test_another_tool_is_refused_by_name() -> None:
    words = "tool: expected 'chat', the one that this Space has, got 'shell'"
    assert refused(await Server().call("shell", message="x")) == words


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (Failure("it broke"), "it broke"),
        (GpuError("none free"), "none free"),
        (KeyError("a prompt"), "Something went wrong on our side, and it has been logged. Nothing you typed is lost: please try again."),
    ],
)  # fmt: skip
async def test_a_failure_is_an_error_of_the_tool_and_quotes_nothing(event: Any, words: str, caplog: Any) -> None:
    assert refused(await Server(TextDelta("Hi", 1), event).call(message="Hello")) == words
    assert "a prompt" not in caplog.text


async def test_a_full_queue_and_the_end_of_the_server_are_errors_of_the_tool() -> None:
    config = Config.model_validate(changed({"limits.queue": 1, "limits.concurrency": 1}))
    server = Server(*SILENT, config=config)
    waiting = [asyncio.ensure_future(server.call(message="Hello")) for _ in range(2)]
    while server.loader.busy != (1, 1):
        await asyncio.sleep(0.01)
    words = refused(await server.call(message="Hello"))
    assert words == "This Space is busy, and its queue of 1 is full. Try again in a moment"
    server.loader.close()
    words = "This Space is being restarted and takes no new messages. Try again in a minute"
    assert refused(await server.call(message="Hello")) == words
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    while server.loader.busy != (0, 0):
        await asyncio.sleep(0.01)


async def test_a_call_waits_for_the_model_and_is_told_how_far_it_is() -> None:
    server = Server()
    pipeline, server.loader.pipeline, server.loader.progress = server.loader.pipeline, None, "Loading it: 1 of 3 GB"
    with server.loader._loading:  # as while a thread loads
        calling = asyncio.ensure_future(server.call(_token=1, message="Hello"))
        await asyncio.sleep(0.3)
        server.loader.pipeline = pipeline
        told, *_, answer = await calling
    assert told["params"]["message"] == "Loading it: 1 of 3 GB"
    assert texts([answer]) == ["Hi there"]


async def test_a_model_that_cannot_be_loaded_says_why() -> None:
    server = Server()

    def refuse(*_: object) -> Any:
        raise ModelError("model.id: 'owner/name' is gated")

    server.loader.pipeline, server.loader._make = None, refuse
    server.loader.load()
    words = refused(await server.call(message="Hello"))
    assert words == "The model could not be loaded. model.id: 'owner/name' is gated"


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
async def test_who_sends_no_message_is_told_what_this_is(method: str, slash: str) -> None:
    answer = await Server().send(method, f"/mcp{slash}", headers={"Accept": "text/event-stream"})
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert answer.text == (
        "This is an MCP server. Add its address to an agent as an MCP server of the type HTTP (streamable HTTP). It takes "
        "POST only\n"
    )


async def test_both_addresses_answer() -> None:
    for path in routes.PATHS:
        assert await Server().ask("ping", path=path) == [{"jsonrpc": "2.0", "id": 1, "result": {}}]


CALL = b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "chat", "arguments": {"message": %s}}}'
BROKEN = [  # a body, the status, the code, what is told
    (b"{", 400, -32700, "The body isn't JSON: EOF while parsing an object"),
    (CALL % b"NaN", 400, -32700, "The body isn't JSON: expected value"),
    (CALL % b"1e999", 400, -32700, "The body has a number that is too large, such as 1e999"),
    (CALL % rb'"a\ud800"', 400, -32700,
     "This text holds half of a character (a lone surrogate), which no model can read. Remove it"),
    (CALL % rb'"a\ud800b"', 400, -32700, "This text holds half of a character (a lone surrogate), which no model can read. Remove it"),
    (CALL % (b"[" * 300 + b"]" * 300), 400, -32700, "The body isn't JSON: recursion limit exceeded"),
    (b"[]", 400, -32600, "body: expected one JSON-RPC message, got a list of 0"),
    (b'{"jsonrpc": "2.0", "id": [], "method": "ping"}', 400, -32600, "id: expected text or a whole number, got a list of 0"),
    (b'{"jsonrpc": "1.0", "id": 1, "method": "ping"}', 200, -32602, "jsonrpc: expected '2.0', got '1.0'"),
    (b'{"jsonrpc": "2.0", "id": 1, "method": 7}', 200, -32601,
     "method: expected one of initialize, ping, tools/list, tools/call, got 7"),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "resources/list"}', 200, -32601,
     "method: expected one of initialize, ping, tools/list, tools/call, got 'resources/list'"),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call"}', 200, -32602, "params: expected a value, got nothing"),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": 7}}', 200, -32602,
     "params.name: expected text, got 7"),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "chat", "arguments": "a prompt"}}', 200, -32602,
     "params.arguments: expected a mapping of keys, got 'a prompt'"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "status", "code", "words"), BROKEN, ids=[words[:60] for *_, words in BROKEN])
async def test_a_broken_message_is_an_error_of_json_rpc_and_not_logged(
    body: bytes, status: int, code: int, words: str, caplog: Any
) -> None:
    answer = await Server().send("POST", "/mcp", content=body, headers=HEADERS)
    assert answer.status_code == status
    told = answer.json()
    assert (told["id"], told["error"]["code"]) == (None if status == 400 else 1, code)
    assert told["error"]["message"].partition(" at line ")[0] == words
    assert caplog.text == ""


async def test_a_form_of_another_site_is_refused() -> None:
    answer = await Server().send("POST", "/mcp", content=CALL % b'"x"', headers={"Content-Type": "text/plain"})
    assert answer.json()["error"]["message"] == "Content-Type: expected application/json, got text/plain"


async def test_a_body_is_bounded_by_the_door_and_so_is_the_host() -> None:
    answer = await Server().send("POST", "/mcp", content=b" " * (9 * 2**20), headers=HEADERS)
    assert answer.status_code == 413
    answer = await Server().send("POST", "/mcp", content=CALL % b'"x"', headers={**HEADERS, "Host": "evil.example"})
    assert answer.status_code == 421


async def test_the_host_of_a_space_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_SERVER_NAME", "0.0.0.0")
    monkeypatch.setenv("SPACE_HOST", "owner-name.hf.space")
    headers = {**HEADERS, "Host": "owner-name.hf.space", "Origin": "https://agent.example"}
    answer = await Server().send("POST", "/mcp", content=CALL % b'"x"', headers=headers)
    assert texts(read(answer)) == ["Hi there"]


async def test_a_session_is_a_name_that_outlives_a_restart() -> None:
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    sent = json.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}).encode()
    answer = await Server().send("POST", "/mcp", content=sent, headers=HEADERS)
    assert read(answer)[0]["result"]["capabilities"]["tools"] == {"listChanged": False}
    session = answer.headers["Mcp-Session-Id"]
    for given_back in (session, "no name of ours", ""):
        headers = {**HEADERS, "Mcp-Session-Id": given_back}
        assert texts(read(await Server().send("POST", "/mcp", content=CALL % b'"x"', headers=headers))) == ["Hi there"]


async def test_a_client_cancels_its_own_call_only() -> None:
    server, session = Server(*SILENT), "0" * 32

    async def send(content: bytes, session: str) -> httpx.Response:
        return await server.send("POST", "/mcp", content=content, headers={**HEADERS, "Mcp-Session-Id": session})

    calling = asyncio.ensure_future(send(CALL % b'"x"', session))
    while server.loader.busy != (1, 0):
        await asyncio.sleep(0.01)
    for other, number in [("1" * 32, b"1"), (session, b"2"), (session, b"[]"), (session, b"true")]:
        cancel = b'{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": %s}}' % number
        assert (await send(cancel, other)).status_code == 202
    await asyncio.sleep(0.1)
    assert server.loader.busy == (1, 0)
    await send(b'{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}', session)
    assert refused(read(await calling)) == "Cancelled, as the client has asked."
    assert server.loader.busy == (0, 0)


ARGUMENTS = ["message", "history", "system_prompt", "thinking", "temperature", "top_k", "seed", "images", ""]
MESSAGE_KEYS = ["jsonrpc", "id", "method", "params", "result"]


@given(st.dictionaries(st.sampled_from(ARGUMENTS), JSON_VALUES, max_size=4), JSON_VALUES)
async def test_whatever_a_call_has_is_answered_or_refused_in_words(arguments: dict[str, Any], name: Any) -> None:
    server = Server()
    for params in ({"name": "chat", "arguments": arguments}, {"name": name, "arguments": arguments}):
        sent = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
        answer = await server.send("POST", "/mcp", content=sent, headers=HEADERS)
        if answer.headers["Content-Type"].startswith("application/json"):
            assert answer.json()["error"]["message"]
        else:
            assert all(part["text"] for part in read(answer)[-1]["result"]["content"])
    assert texts(await server.call(message="Hello")) == ["Hi there"]


@given(st.dictionaries(st.sampled_from(MESSAGE_KEYS), JSON_VALUES | st.sampled_from(["2.0", 1, "ping", "tools/list"])))
async def test_whatever_a_message_is_it_is_answered(message: dict[str, Any]) -> None:
    sent = json.dumps(message).encode("utf-8", "surrogatepass")
    answer = await Server().send("POST", "/mcp", content=sent, headers=HEADERS)
    assert answer.status_code in (200, 202, 400)


async def test_a_call_is_accounted_for_once_as_every_doors_is(told: Told) -> None:
    server = Server()
    await server.call(message="Hello")
    await server.call(message=7)
    await server.call("shell", message="x")
    assert [(line["door"], line["outcome"]) for line in told()] == [
        ("mcp", "done"),
        ("mcp", "refused"),
        ("mcp", "refused"),
    ]
