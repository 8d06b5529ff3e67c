"""OpenAI's API without a server or a model: what may be sent, and what is made of it."""

from __future__ import annotations

import asyncio
import json
import pickle
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware

from streamspace.config.types import Config
from streamspace.engines.endpoint_payload import payload
from streamspace.errors import GenerationError, GpuError, ModelError, QuotaError
from streamspace.events import (
    Event,
    Failure,
    Finished,
    Heartbeat,
    Likelihood,
    Message,
    Part,
    Reclassified,
    Request,
    Scored,
    TextDelta,
)
from streamspace.prompt.builder import PromptBuilder
from streamspace.prompt.message_builder import MessageBuilder
from streamspace.reply.loader import Loader
from streamspace.reply.pipeline import Pipeline
from streamspace.reply.request import Caller
from streamspace.web.door import Door
from streamspace.web.openai import asked, routes, schema
from streamspace.web.openai.forms import Texts
from streamspace.web.openai.schema import Completion
from tests.reply.test_pipeline import CONFIG
from tests.running import changed

HELLO = [{"role": "user", "content": "Hello"}]
END = Finished("stop", 2, 0.1, 0.2, 7)


class Engine:
    """Says what it was given, and remembers what it was asked."""

    name = "scripted"
    capacity = 2

    def __init__(self, *events: Event | Exception) -> None:
        self.events = events or (TextDelta("Hi", 1), TextDelta(" there", 2), END)
        self.asked: list[Request] = []

    def stream(self, request: Request, stop: threading.Event) -> Any:
        self.asked.append(request)
        for event in self.events:
            if isinstance(event, Exception):
                raise event
            if isinstance(event, Heartbeat) and stop.wait(0.05):  # after some silence
                return
            yield event

    def unavailable_reason(self) -> None:
        pass


class Server:
    """The routes over an engine, behind the door, in this process."""

    def __init__(
        self, *events: Event | Exception, config: Config = CONFIG, thinking: str | None = "on", builder: Any = None
    ) -> None:
        self.engine = Engine(*events)
        builder = builder or MessageBuilder(1024, thinking)
        self.loader = Loader(
            config,
            lambda config, _: Pipeline(config, self.engine, builder),  # type: ignore[arg-type]
        )
        self.loader.load()
        self.app = Starlette(routes=routes.routes(self.loader), middleware=[Middleware(Door, config=config)])

    async def post(
        self, path: str = "/v1/chat/completions", content: bytes | None = None, **body: Any
    ) -> httpx.Response:
        sent = json.dumps({"messages": HELLO, **body}).encode() if content is None else content
        return await self.send("POST", path, content=sent, headers={"Content-Type": "application/json"})

    async def send(self, method: str, path: str, **request: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, path, **request)

    async def asked(self, **body: Any) -> Request:
        """What the engine is asked."""
        answer = await self.post(**body)
        assert answer.status_code == 200, answer.text
        return self.engine.asked[-1]


def events(answer: httpx.Response) -> list[Any]:
    return [json.loads(line[6:]) if line != "data: [DONE]" else "DONE" for line in answer.text.split("\n") if line]


def error(answer: httpx.Response) -> dict[str, Any]:
    return answer.json()["error"]


async def test_a_reply_is_one_object_with_its_usage() -> None:
    answer = await Server().post()
    found = answer.json()
    assert found.pop("id").startswith("chatcmpl-")
    assert isinstance(found.pop("created"), int)
    assert found == {
        "object": "chat.completion",
        "model": "tiny",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hi there", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 7,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens": 2,
            "total_tokens": 9,
        },
    }


async def test_a_stream_begins_with_the_role_and_ends_with_a_reason_and_done() -> None:
    answer = await Server().post(stream=True)
    assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    *chunks, done = events(answer)
    assert done == "DONE"
    assert {chunk["id"] for chunk in chunks} == {chunks[0]["id"]}
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert (deltas[0], deltas[-1]) == ({"role": "assistant", "content": ""}, {})
    assert "".join(delta["content"] for delta in deltas[:-1]) == "Hi there"
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert "usage" not in chunks[0]


async def test_usage_is_a_last_chunk_without_choices_where_it_is_asked_for() -> None:
    *chunks, figures, _ = events(await Server().post(stream=True, stream_options={"include_usage": True}))
    assert (figures["choices"], figures["usage"]["total_tokens"]) == ([], 9)
    assert [chunk["usage"] for chunk in chunks] == [None] * len(chunks)


@pytest.mark.parametrize(("reason", "told"), [("length", "length"), ("timeout", "length"), ("stop", "stop")])
async def test_the_reason_of_the_end_is_told(reason: Any, told: str) -> None:
    server = Server(TextDelta("Hi", 1), Finished(reason, 1, 0.1, 0.1))
    assert (await server.post()).json()["choices"][0]["finish_reason"] == told


async def test_an_empty_reply_is_a_reply() -> None:
    server = Server(END)
    assert (await server.post()).json()["choices"][0]["message"]["content"] == ""
    deltas = [chunk["choices"][0]["delta"] for chunk in events(await server.post(stream=True))[:-1]]
    assert deltas == [{"role": "assistant", "content": ""}, {}]


async def test_thoughts_are_in_reasoning_content() -> None:
    server = Server(TextDelta("Hm", 1, "reasoning"), TextDelta("Yes", 2), END)
    message = (await server.post()).json()["choices"][0]["message"]
    assert (message["reasoning_content"], message["content"]) == ("Hm", "Yes")
    deltas = [chunk["choices"][0]["delta"] for chunk in events(await server.post(stream=True))[:-1]]
    assert "".join(delta.get("reasoning_content", "") for delta in deltas) == "Hm"
    assert "".join(delta.get("content", "") for delta in deltas) == "Yes"


def test_what_was_sent_as_an_answer_and_was_a_thought_is_not_sent_again() -> None:
    sent = Texts.of((Part("answer", "Let me see"),))
    assert Texts.of((Part("reasoning", "Let me see"), Part("answer", "Yes"))).after(sent) == Texts("", "Yes")


async def test_a_thought_whose_beginning_was_never_marked_is_told_apart_in_a_whole_reply() -> None:
    message = (await Server(TextDelta("Hm", 1), Reclassified(), TextDelta("Yes", 2), END).post()).json()["choices"][0]
    assert (message["message"]["reasoning_content"], message["message"]["content"]) == ("Hm", "Yes")


async def test_a_last_reply_is_gone_on_with_and_only_the_rest_is_sent() -> None:
    begun = [*HELLO, {"role": "assistant", "content": "Hi", "reasoning_content": "A greeting"}]
    server = Server(TextDelta(" there", 1), END)
    answer = await server.post(messages=begun)
    assert answer.json()["choices"][0]["message"] == {"role": "assistant", "content": " there", "refusal": None}
    (request,) = server.engine.asked
    assert (request.continues, request.messages[-1]) == (True, Message("assistant", "Hi", "A greeting"))
    chunks = events(await server.post(messages=begun, stream=True))[:-1]
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == " there"


async def test_instructions_are_joined_and_stand_in_for_the_configs() -> None:
    told = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "Rhyme."}]},
    ]
    assert (await Server().asked(messages=[told[0], *HELLO, told[1]])).messages == (
        Message("system", "Be brief.\n\nRhyme."),
        Message("user", "Hello"),
    )
    assert (await Server().asked()).messages[0] == Message("system", CONFIG.system_prompt)


@pytest.mark.parametrize("role", ["system", "developer"])
async def test_instructions_alone_are_answered(role: str) -> None:
    assert (await Server().asked(messages=[{"role": role, "content": "Say hi"}])).messages == (
        Message("user", "Say hi"),
    )


async def test_a_conversation_of_many_turns_keeps_its_order_and_loses_its_thoughts() -> None:
    messages = [
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": "<think>\nhm\n</think>\n\nTwo", "reasoning_content": "hm"},
        {"role": "user", "content": [{"type": "text", "text": "Three"}, {"type": "text", "text": "four"}]},
    ]
    assert (await Server().asked(messages=messages)).messages[1:] == (
        Message("user", "One"),
        Message("assistant", "Two"),
        Message("user", "Three\nfour"),
    )


async def test_sampling_is_what_is_asked_for_within_the_configs_bounds() -> None:
    request = await Server().asked(
        temperature=1, top_p=0.5, top_k=7, min_p=0.1, repetition_penalty=1.25, seed=5, stop=["a", "b"], max_tokens=9,
        max_completion_tokens=1,
    )  # fmt: skip
    sampling = request.sampling
    assert (sampling.temperature, sampling.top_p, sampling.top_k, sampling.min_p) == (1, 0.5, 7, 0.1)
    assert (sampling.repetition_penalty, sampling.seed, sampling.max_new_tokens) == (1.25, 5, 1)
    assert sampling.stop == ("a", "b")


async def test_the_configs_stop_strings_end_a_reply_too() -> None:
    config = Config.model_validate(changed({"sampling.stop": ["END"]}))
    assert (await Server(config=config).asked(stop="x")).sampling.stop == ("END", "x")


@pytest.mark.parametrize(
    ("body", "thinking"),
    [
        ({}, "on"),
        ({"chat_template_kwargs": {"enable_thinking": False}}, "off"),
        ({"chat_template_kwargs": {"enable_thinking": True, "thinking": True}}, "on"),
        ({"reasoning_effort": "none"}, "off"),
        ({"reasoning_effort": "high"}, "on"),  # it has no levels
        ({"chat_template_kwargs": {"reasoning_effort": "low"}}, "on"),
    ],
)
async def test_thinking_is_switched_as_servers_do(body: dict[str, Any], thinking: str) -> None:
    assert (await Server().asked(**body)).thinking == thinking


@pytest.mark.parametrize(("effort", "level"), [("minimal", "low"), ("medium", "medium"), ("xhigh", "high")])
async def test_an_effort_is_the_models_level(effort: str, level: str) -> None:
    assert (await Server(thinking="medium").asked(reasoning_effort=effort)).thinking == level


async def test_what_changes_nothing_is_accepted() -> None:
    body = {
        "user": "me", "metadata": {"a": "b"}, "store": True, "service_tier": "auto", "n": 1, "frequency_penalty": 0,
        "presence_penalty": 0.0, "logit_bias": {}, "tools": [], "tool_choice": "none", "response_format": {"type": "text"},
        "logprobs": False, "parallel_tool_calls": True, "unknown": [1], "model": "./models/tiny", "stop": None,
    }  # fmt: skip
    assert (await Server().post(**body)).status_code == 200


FORMATS: list[dict[str, Any]] = [
    {"type": "json_object"},
    {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "integer"}, "strict": True}},
]


@pytest.mark.parametrize("form", FORMATS)
async def test_a_format_reaches_the_models_server(form: dict[str, Any]) -> None:
    request = pickle.loads(pickle.dumps(await Server().asked(response_format=form)))
    assert payload(request, "owner/model")["response_format"] == form


async def test_a_cache_key_reaches_the_models_server_as_one_that_no_other_visitor_can_name() -> None:
    def told(visitor: str, key: str) -> str:
        body = schema.read(Completion, json.dumps({"prompt": "A", "prompt_cache_key": key}).encode(), CONFIG.sampling)
        return asked.completion(body, CONFIG.sampling, Caller("openai", visitor)).caller.cache_key

    assert told("one", "a") == told("one", "a")
    assert len({told("one", "a"), told("one", "b"), told("other", "a")}) == 3
    server = Server(thinking=None)
    request = await server.asked(prompt_cache_key="mine")
    assert payload(request, "model")["extra_body"] == {"prompt_cache_key": request.cache_key}
    assert len(request.cache_key) == 32
    assert payload(await server.asked(prompt_cache_key=""), "model")["extra_body"] is None


@pytest.mark.parametrize("form", FORMATS)
async def test_a_format_reaches_the_models_scores(form: dict[str, Any], tiny: Any) -> None:
    request = await Server(builder=PromptBuilder(tiny.tokenizer, 1024, 1024)).asked(response_format=form)
    assert json.loads(request.sampling.grammar) == form.get("json_schema", {}).get("schema", {"type": "object"})


async def test_a_format_that_can_not_be_followed_is_refused(tiny: Any) -> None:
    server = Server(builder=PromptBuilder(tiny.tokenizer, 1024, 1024))
    answer = await server.post(**described({"type": "array", "uniqueItems": True}))
    assert (answer.status_code, error(answer)["param"]) == (400, "response_format")
    assert error(answer)["message"] == 'response_format.json_schema.schema: Unimplemented keys: ["uniqueItems"]'
    begun = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": '{"a'}]
    answer = await server.post(messages=begun, response_format=FORMATS[0])
    assert (answer.status_code, error(answer)["code"]) == (400, "unsupported_parameter")
    assert error(answer)["message"] == "response_format: expected none beside a reply to go on with"
    assert server.engine.asked == []


def described(schema: object) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}}


def nested(levels: int) -> dict[str, Any]:
    return {"items": nested(levels - 1)} if levels > 1 else {}


SCORED = (
    Scored(Likelihood(b"H\xc3", -0.5), (Likelihood(b"H\xc3", -0.5), Likelihood(b"a", -1.25))),
    Scored(Likelihood(b"i", 0.0)),
)
TOLD = [
    {"token": "H\ufffd", "logprob": -0.5, "bytes": [72, 195], "top_logprobs": [
        {"token": "H\ufffd", "logprob": -0.5, "bytes": [72, 195]}, {"token": "a", "logprob": -1.25, "bytes": [97]},
    ]},
    {"token": "i", "logprob": 0.0, "bytes": [105], "top_logprobs": []},
]  # fmt: skip


async def test_how_likely_tokens_were_is_told_with_them() -> None:
    said = (TextDelta("hm", 1, "reasoning"), TextDelta("H", 2, scored=SCORED[:1]), TextDelta("i", 3, scored=SCORED[1:]))
    server = Server(*said, END)
    whole = (await server.post(logprobs=True, top_logprobs=2)).json()["choices"][0]
    assert whole["logprobs"] == {"content": TOLD, "refusal": None}
    assert server.engine.asked[-1].sampling.likeliest == 2
    told = events(await server.post(logprobs=True, stream=True))[:-1]
    assert server.engine.asked[-1].sampling.likeliest == 0
    pieces = [piece["choices"][0]["logprobs"] for piece in told]
    assert [each for piece in pieces if piece for each in piece["content"]] == TOLD
    assert (await server.asked(logprobs=False)).sampling.likeliest is None


async def test_how_likely_tokens_of_a_continuation_were_is_told_in_its_own_form(tiny: Any) -> None:
    config = Config.model_validate(changed({"task": "completion"}))
    said = (TextDelta("H", 1, scored=SCORED[:1]), TextDelta("i", 2, scored=SCORED[1:]))
    server = Server(*said, END, config=config, builder=PromptBuilder(tiny.tokenizer, 1024, 1024))
    whole = (await server.post("/v1/completions", prompt="A", logprobs=1)).json()["choices"][0]
    likeliest = [{"H\ufffd": -0.5, "a": -1.25}, {"i": 0.0}]
    told = {"tokens": ["H\ufffd", "i"], "token_logprobs": [-0.5, 0.0], "top_logprobs": likeliest}
    assert (whole["text"], whole["logprobs"]) == ("Hi", told)
    assert server.engine.asked[-1].sampling.likeliest == 1
    pieces = events(await server.post("/v1/completions", prompt="A", logprobs=1, stream=True))[:-1]
    found = [piece["choices"][0]["logprobs"] for piece in pieces]
    assert [token for each in found if each for token in each["tokens"]] == told["tokens"]
    assert found[-1] is None
    for refused in ({"logprobs": True}, {"response_format": {"type": "json_object"}}):
        answer = await server.post("/v1/completions", prompt="A", **refused)
        assert (answer.status_code, error(answer)["param"]) == (400, *refused)


async def test_tokens_of_what_turns_out_to_be_a_thought_are_taken_back() -> None:
    server = Server(TextDelta("H", 1, scored=SCORED[:1]), Reclassified(), TextDelta("i", 2, scored=SCORED[1:]), END)
    whole = (await server.post(logprobs=True)).json()["choices"][0]
    assert (whole["message"]["content"], whole["logprobs"]["content"]) == ("i", TOLD[1:])


BAD: list[tuple[dict[str, Any], str | None, str]] = [
    ({"messages": "hi"}, "messages", "messages: expected a list, got 'hi'"),
    ({"messages": []}, "messages", "messages: expected a list of at least 1, got a list of 0"),
    ({"messages": [7]}, "messages[0]", "messages[0]: expected a mapping of keys, got 7"),
    ({"messages": [{"content": "x"}]}, "messages[0].role", "messages[0].role: expected a value, got nothing"),
    ({"messages": [{"role": "user"}]}, "messages[0].content", "messages[0].content: expected a value, got nothing"),
    ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content", "messages[0].content: expected a list, got 7"),
    ({"messages": [{"role": "user", "content": [{"type": "text", "text": 7}]}]}, "messages[0].content[0].text",
     "messages[0].content[0].text: expected text, got 7"),
    ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages[0].content[0].type",
     "messages[0].content[0].type: expected 'text', 'image_url', got 'input_audio'"),
    ({"messages": [{"role": "pirate", "content": "x"}]}, "messages[0].role",
     "messages[0].role: expected 'system', 'developer', 'user', 'assistant', 'tool', got 'pirate'"),
    ({"messages": [{"role": "assistant", "content": "x"}]}, "messages",
     "messages: expected a message of the user's or a call's result at the end, or before a reply to go on with"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]}]},
     None, "This Space's model reads text only. Leave the images out"),
    ({"messages": [{"role": "user", "content": ""}]}, None, "Write a message first: this one is empty"),
    ({"temperature": 9}, "temperature", "temperature: expected a number from 0 to 1.5, got 9"),
    ({"temperature": "hot"}, "temperature", "temperature: expected a number from 0 to 1.5, got 'hot'"),
    ({"temperature": True}, "temperature", "temperature: expected a number from 0 to 1.5, got 'True'"),
    ({"temperature": float("nan")}, "temperature", "temperature: expected a number from 0 to 1.5, got nan"),
    ({"max_tokens": 0}, "max_tokens", "max_tokens: expected a whole number from 1 to 1024, got 0"),
    ({"max_completion_tokens": 10**400}, "max_completion_tokens",
     f"max_completion_tokens: expected a whole number from 1 to 1024, got '{'1' + '0' * 39}'"),
    ({"max_tokens": 1.5}, "max_tokens", "max_tokens: expected a whole number from 1 to 1024, got 1.5"),
    ({"seed": -1}, "seed", "seed: expected a whole number from 0 to 2147483647, or none, got '-1'"),
    ({"stop": ["a", "b", "c", "d", "e"]}, "stop", "stop: expected a list of at most 4, got a list of 5"),
    ({"stop": [""]}, "stop[0]", "stop[0]: expected text that is not empty, got ''"),
    ({"stop": 7}, "stop", "stop: expected a list, got 7"),
    ({"logprobs": 5}, "logprobs", "logprobs: expected true or false, got 5"),
    ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "top_logprobs: expected at most 20, got 21"),
    ({"top_logprobs": 2}, "top_logprobs", "top_logprobs: expected logprobs: true beside it"),
    ({"response_format": "json"}, "response_format", "response_format: expected a mapping of keys, got 'json'"),
    ({"response_format": {"type": "yaml"}}, "response_format",
     "response_format.type: expected 'text', 'json_object' or 'json_schema', got 'yaml'"),
    ({"response_format": {"type": "json_schema"}}, "response_format",
     "response_format.json_schema: expected a mapping with the key schema, got nothing (null)"),
    (described(7), "response_format", "response_format.json_schema.schema: expected a JSON schema, got 7"),
    (described({"anyOf": [{"$ref": "https://example.com/a"}]}), "response_format",
     "response_format.json_schema.schema: expected each $ref to begin with '#', got 'https://example.com/a'"),
    (described(nested(33)), "response_format",
     "response_format.json_schema.schema: expected at most 32 levels, got more"),
    (described({"title": "a" * 32_768}), "response_format",
     "response_format.json_schema.schema: expected at most 32768 characters, got 32780"),
    ({"stream": "yes"}, "stream", "stream: expected true or false, got 'yes'"),
    ({"stream_options": [1]}, "stream_options", "stream_options: expected a mapping of keys, got a list of 1"),
    ({"reasoning_effort": "huge"}, "reasoning_effort",
     "reasoning_effort: expected 'none', 'minimal', 'low', 'medium', 'high', 'xhigh' or 'max', got 'huge'"),
    ({"chat_template_kwargs": {"thinking": []}}, "chat_template_kwargs.thinking",
     "chat_template_kwargs.thinking: expected a switch for thinking (enable_thinking, thinking, reasoning, thinking_mode, "
     "thinking_option, thinking_budget, reasoning_effort, thinking_effort, reasoning_strength) and its value"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "parameter", "message"), BAD, ids=[message[:50] for *_, message in BAD])
async def test_what_is_wrong_is_told_with_its_place(body: dict[str, Any], parameter: str | None, message: str) -> None:
    for stream in (False, True):
        server = Server()
        answer = await server.post(**{"stream": stream, **body})
        assert (answer.status_code, error(answer)["message"], error(answer)["param"]) == (400, message, parameter)
        assert error(answer)["type"] == "invalid_request_error"
        assert server.engine.asked == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"n": 2}, "n: expected 1, since nothing else is supported here, got 2"),
        ({"frequency_penalty": 0.5}, "frequency_penalty: expected 0, since nothing else is supported here, got 0.5"),
        ({"logit_bias": {"5": 1}}, "logit_bias: expected {}, since nothing else is supported here, got a mapping of keys"),
        ({"audio": {}}, "audio: expected nothing, since nothing else is supported here, got a mapping of keys"),
        ({"modalities": ["audio"]}, "modalities: expected [\"text\"], since nothing else is supported here, got a list of 1"),
    ],
)  # fmt: skip
async def test_what_would_change_the_answer_and_is_not_done_is_refused(body: dict[str, Any], message: str) -> None:
    answer = await Server().post(**body)
    assert (answer.status_code, error(answer)["code"]) == (400, "unsupported_parameter")
    assert (error(answer)["param"], error(answer)["message"]) == (next(iter(body)), message)


async def test_a_wrong_model_is_not_found_and_its_own_is() -> None:
    answer = await Server().post(model="gpt-4")
    assert (answer.status_code, error(answer)["code"]) == (404, "model_not_found")
    assert error(answer)["message"] == "model: expected 'tiny', the one that this Space runs, got 'gpt-4'"
    assert (await Server().send("GET", "/v1/models/gpt-4")).status_code == 404
    found = (await Server().send("GET", "/gradio_api/v1/models")).json()["data"]
    assert [each["id"] for each in found] == ["tiny"]
    assert (await Server().send("GET", "/v1/models/tiny")).json() == found[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "The body isn't JSON: EOF while parsing a value at line 1 column 0"),
        (b"{", "The body isn't JSON: EOF while parsing an object at line 1 column 1"),
        (b"7", "body: expected a mapping of keys, got 7"),
        (b"\xff", "The body isn't JSON: expected value at line 1 column 1"),
        (b'{"messages": [{"role": "user", "content": "\\ud800"}]}',
         "This text holds half of a character (a lone surrogate), which no model can read. Remove it"),
        (b'{"messages": ' + b"[" * 100_000, "The body isn't JSON: recursion limit exceeded at line 1 column 214"),
    ],
)  # fmt: skip
async def test_a_body_that_is_no_request_is_told_so(content: bytes, message: str) -> None:
    answer = await Server().post(content=content)
    assert (answer.status_code, error(answer)["message"]) == (400, message)


async def test_a_form_of_another_site_is_refused() -> None:
    answer = await Server().send("POST", "/v1/chat/completions", content=b"{}", headers={"Content-Type": "text/plain"})
    assert (answer.status_code, error(answer)["message"]) == (
        400,
        "Content-Type: expected application/json, got text/plain",
    )


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/chat/completions", 405), ("POST", "/v1/models", 405), ("POST", "/v1/embeddings", 404), ("PUT", "/v1/x", 404)],
)  # fmt: skip
async def test_an_unknown_route_is_told_what_there_is(method: str, path: str, status: int) -> None:
    answer = await Server().send(method, path)
    assert (answer.status_code, error(answer)["message"]) == (
        status,
        f"expected one of POST /v1/chat/completions; POST /v1/completions; GET /v1/models, got {method} {path}",
    )


async def test_the_doors_refusals_have_this_form_too() -> None:
    answer = await Server().send("POST", "/v1/chat/completions", headers={"Content-Length": "9000000"})
    assert (answer.status_code, error(answer)["message"]) == (
        413,
        "This request is too large. Shorten the conversation, or send fewer files",
    )
    answer = await Server().send("GET", "/gradio_api/v1/models", headers={"Host": "evil.example"})
    assert (answer.status_code, error(answer)["type"]) == (421, "invalid_request_error")


@pytest.mark.parametrize(
    ("event", "status", "told", "headers"),
    [
        (Failure("it broke"), 500, {"message": "it broke", "type": "server_error", "param": None, "code": None}, {}),
        (GenerationError("it broke"), 500, {"message": "it broke", "type": "server_error", "param": None, "code": None}, {}),
        (QuotaError("used up"), 429,
         {"message": "used up", "type": "insufficient_quota", "param": None, "code": "insufficient_quota"},
         {"x-should-retry": "false"}),
        (GpuError("none free"), 503, {"message": "none free", "type": "server_error", "param": None, "code": None},
         {"retry-after": "5"}),
        (KeyError("a prompt"), 500,
         {"message": "Something went wrong on our side, and it has been logged. Nothing you typed is lost: please try again.",
          "type": "server_error", "param": None, "code": None}, {}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stream", [False, True])
async def test_a_failure_before_any_text_has_a_status(
    event: Event, status: int, told: dict[str, Any], headers: dict[str, str], stream: bool, caplog: Any
) -> None:
    answer = await Server(Heartbeat("prefill"), event).post(stream=stream)
    assert (answer.status_code, error(answer)) == (status, told)
    assert headers.items() <= dict(answer.headers).items()
    assert "a prompt" not in caplog.text


async def test_a_failure_in_mid_stream_is_a_piece_of_the_stream() -> None:
    answer = await Server(TextDelta("Hi", 1), Failure("it broke")).post(stream=True)
    *_, text, failed = events(answer)
    assert (answer.status_code, text["choices"][0]["delta"]) == (200, {"content": "Hi"})
    assert failed == {"error": {"message": "it broke", "type": "server_error", "param": None, "code": None}}


async def test_a_model_that_is_loading_or_failed_is_unavailable() -> None:
    server = Server()
    server.loader.pipeline, server.loader.progress = None, "Downloading owner/name: 1.0 of 3.1 GB"
    with server.loader._loading:  # as while a thread loads
        answer = await server.post()
    assert (answer.status_code, answer.headers["Retry-After"], error(answer)["code"]) == (503, "5", "model_loading")
    assert error(answer)["message"] == "Downloading owner/name: 1.0 of 3.1 GB"

    def refuse(config: Config, on_progress: Callable[[str], None]) -> Pipeline:
        raise ModelError("model.id: 'owner/name' is gated")

    server.loader._make = refuse
    server.loader.load()
    answer = await server.post(stream=True)
    assert (answer.status_code, answer.headers["Retry-After"], error(answer)["code"]) == (503, "30", "model_not_loaded")
    assert error(answer)["message"] == "The model could not be loaded. model.id: 'owner/name' is gated"


async def test_a_full_queue_is_429_and_says_when_to_come_back() -> None:
    config = Config.model_validate(changed({"limits.queue": 1, "limits.concurrency": 1}))
    server = Server(Heartbeat("prefill"), TextDelta("Hi", 1), *[Heartbeat("decode")] * 20_000, END, config=config)
    waiting = [asyncio.ensure_future(server.post()) for _ in range(2)]
    while server.loader.pipeline.busy != (1, 1):  # type: ignore[union-attr]
        await asyncio.sleep(0.01)
    answer = await server.post()
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "5")
    assert error(answer) == {
        "message": "This Space is busy, and its queue of 1 is full. Try again in a moment",
        "type": "rate_limit_error",
        "param": None,
        "code": "rate_limit_exceeded",
    }
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)


async def test_a_space_for_conversations_continues_no_texts_and_the_other_way_round() -> None:
    answer = await Server().post("/v1/completions", prompt="A Space is")
    assert error(answer)["message"] == "This Space's model doesn't do that. Send requests to /v1/chat/completions"
    completion = Server(config=Config.model_validate(changed({"task": "completion"})))
    answer = await completion.post()
    assert error(answer)["message"] == "This Space's model doesn't do that. Send requests to /v1/completions"


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from([*routes.Chat.model_fields, *routes.Completion.model_fields])
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "system", "developer", "tool"]) | JSON_VALUES},
        optional={
            "content": JSON_VALUES
            | st.text(max_size=9)
            | st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": JSON_VALUES})),
            "reasoning_content": JSON_VALUES,
        },
    )
)


@given(st.dictionaries(KEYS, JSON_VALUES, max_size=4), MESSAGES | JSON_VALUES, st.sampled_from(["/chat", ""]))
async def test_whatever_is_sent_is_answered_or_refused(body: dict[str, Any], messages: Any, path: str) -> None:
    sent = json.dumps({"messages": messages, "prompt": "x", **body}).encode("utf-8", "surrogatepass")
    answer = await Server().post(f"/v1{path}/completions", content=sent)
    assert answer.status_code in (200, 400, 404)
    if answer.status_code != 200:
        assert set(error(answer)) == {"message", "type", "param", "code"}
