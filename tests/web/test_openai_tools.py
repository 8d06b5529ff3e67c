"""`tools` and `tool_choice` without a server or a model: what may be sent, what is asked, and how calls are told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streamspace.engines import schemas
from streamspace.engines.endpoint_payload import payload
from streamspace.events import Event, Finished, Message, Part, TextDelta
from streamspace.prompt.builder import PromptBuilder
from streamspace.prompt.message_builder import MessageBuilder
from streamspace.tools import Call, Tools
from streamspace.web.openai import functions
from streamspace.web.openai.steps import plain, reading
from tests.prompt import test_calling
from tests.web.test_openai import END, HELLO, Server, described, error, events

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [
    {
        "type": "function",
        "function": {"name": name, "description": "Says it.", "parameters": PARAMETERS, "strict": True},
    }
    for name in ("weather", "time")
]
PARIS = '{"name": "weather", "arguments": {"city": "Paris"}}'
ROME = '{"name": "time", "arguments": {"city": "Rome"}}'
NAMED = {"type": "function", "function": {"name": "time"}}
ASKED = {"role": "assistant", "content": None, "tool_calls": [
    {"id": "call_x", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}},
    {"id": "call_y", "type": "function", "function": {"name": "time", "arguments": ""}},
]}  # fmt: skip
RESULTS = [
    {"role": "tool", "tool_call_id": "call_y", "content": "noon"},
    {"role": "tool", "tool_call_id": "call_x", "content": [{"type": "text", "text": ""}]},
]


def called(answer: Any) -> list[tuple[str, Any]]:
    found = answer["tool_calls"]
    assert len({each["id"] for each in found}) == len(found)
    return [(each["function"]["name"], json.loads(each["function"]["arguments"])) for each in found]


SAID: list[tuple[list[Event], str | None, list[tuple[str, Any]]]] = [  # what the engine says, and what is told of it
    ([TextDelta(PARIS, 9, "tool_call")], None, [("weather", {"city": "Paris"})]),
    ([TextDelta("Let me see.", 3), TextDelta(PARIS, 9, "tool_call")], "Let me see.", [("weather", {"city": "Paris"})]),
    ([TextDelta(f"{PARIS}\n\n{ROME}", 9, "tool_call")], None, [("weather", {"city": "Paris"}), ("time", {"city": "Rome"})]),
    ([TextDelta("  {", 1), TextDelta(PARIS[1:], 9)], None, [("weather", {"city": "Paris"})]),
    ([TextDelta(PARIS.replace("weather", "war"), 9)], PARIS.replace("weather", "war"), []),
    ([TextDelta('{"a": 1}', 9)], '{"a": 1}', []),
    ([TextDelta("It is ", 9), TextDelta("noon.", 9)], "It is noon.", []),
    ([TextDelta(PARIS[:-2], 9, "tool_call")], f"<tool_call>\n{PARIS[:-2]}", []),
]  # fmt: skip


@pytest.mark.parametrize(("said", "content", "calls"), SAID)
async def test_calls_are_told_whole_and_as_a_stream(
    said: list[Event], content: str | None, calls: list[tuple[str, Any]]
) -> None:
    server = Server(*said, END)
    choice = (await server.post(tools=TOOLS)).json()["choices"][0]
    assert choice["message"]["content"] == content
    assert choice["finish_reason"] == ("tool_calls" if calls else "stop")
    assert called({"tool_calls": [], **choice["message"]}) == calls
    *pieces, done = events(await server.post(tools=TOOLS, stream=True))
    deltas = [piece["choices"][0]["delta"] for piece in pieces]
    assert "".join(delta.get("content", "") for delta in deltas) == (content or "")
    listed = [each for delta in deltas for each in delta.get("tool_calls", ())]
    assert [each["index"] for each in listed] == [*range(len(calls))]
    assert called({"tool_calls": listed}) == calls
    assert (pieces[-1]["choices"][0]["finish_reason"], done) == (choice["finish_reason"], "DONE")


async def test_an_answer_is_told_as_it_comes_unless_it_may_be_a_call() -> None:
    async def told(answer: str, **choice: Any) -> str:
        tools = functions.offered(functions.read(TOOLS), choice.get("choice"))
        assert tools
        return (await reading(tools, MessageBuilder(1), "", None)((Part("answer", answer),), False)).content

    assert await told("It") == "It"
    assert await told("to be") == "to be"
    assert [await told(begun) for begun in ("", "{", ' [{"a', "t", "to", "to=functions")] == [""] * 6
    assert await told("It", choice="required") == ""


async def test_only_one_call_is_told_to_who_can_make_one_at_a_time() -> None:
    server = Server(TextDelta(f"{PARIS}{ROME}", 9, "tool_call"), END)
    told = (await server.post(tools=TOOLS, parallel_tool_calls=False)).json()["choices"][0]["message"]
    assert called(told) == [("weather", {"city": "Paris"})]


async def test_a_cut_call_is_text_and_has_its_reason() -> None:
    server = Server(TextDelta(PARIS[:20], 9, "tool_call"), Finished("length", 9, 0.1, 0.2))
    choice = (await server.post(tools=TOOLS)).json()["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == (f"<tool_call>\n{PARIS[:20]}", "length")


async def test_a_server_is_asked_as_the_client_asks() -> None:
    for choice, told in ((None, "auto"), ("auto", "auto"), ("required", "required"), (NAMED, NAMED)):
        request = await Server().asked(tools=TOOLS, tool_choice=choice)
        sent = payload(request, "model")
        assert (sent["tool_choice"], [each["function"]["name"] for each in sent["tools"]]) == (
            told,
            ["weather", "time"],
        )
        assert "response_format" not in sent
    form = described({"type": "object"})
    sent = payload(await Server().asked(tools=TOOLS, tool_choice="none", **form), "model")
    assert ("tools" in sent, sent["response_format"]) == (False, {"type": "json_object"})
    for nothing in ({}, {"tools": []}, {"tools": TOOLS, "tool_choice": "none"}, {"tools": None, "tool_choice": "auto"}):
        assert "tools" not in payload(await Server().asked(**nothing), "model")


async def test_results_go_with_their_calls_under_ids_of_our_own() -> None:
    request = await Server().asked(tools=TOOLS, messages=[*HELLO, ASKED, *RESULTS])
    first, second = Call("weather", '{"city": "Paris"}', "000000000"), Call("time", "{}", "000000001")
    assert request.messages[1:] == (
        Message("user", "Hello"),
        Message("assistant", "", calls=(first, second)),
        Message("tool", "noon", calls=(second,)),
        Message("tool", "", calls=(first,)),
    )
    sent = payload(request, "model")["messages"]
    assert sent[2]["tool_calls"][1] == {
        "type": "function", "id": "000000001", "function": {"name": "time", "arguments": "{}"},
    }  # fmt: skip
    assert sent[3:] == [
        {"role": "tool", "content": "noon", "tool_call_id": "000000001"},
        {"role": "tool", "content": "", "tool_call_id": "000000000"},
    ]


async def test_a_long_exchange_of_calls_keeps_the_question_that_it_is_about() -> None:
    exchange = [{**ASKED, "tool_calls": ASKED["tool_calls"][:1]}, RESULTS[1]] * 60
    request = await Server().asked(tools=TOOLS, messages=[*HELLO, *exchange])
    assert [message.content for message in request.messages if message.role == "user"] == ["Hello"]
    assert len(request.messages) == 1 + 1 + 120


async def test_a_reply_to_results_may_be_gone_on_with_and_asked_about() -> None:
    said = [*HELLO, ASKED, *RESULTS, {"role": "assistant", "content": "It is"}]
    assert (await Server().asked(messages=said)).continues
    assert (await Server().asked(messages=[*said, *HELLO])).messages[-2:] == (
        Message("assistant", "It is"),
        Message("user", "Hello"),
    )


def function(**told: Any) -> dict[str, Any]:
    return {"tools": [{"type": "function", "function": {"name": "f", **told}}]}


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"tools": {}}, "tools", "tools: expected a list of at most 128 functions, got a mapping of keys"),
    ({"tools": TOOLS * 65}, "tools", "tools: expected a list of at most 128 functions, got a list of 130"),
    ({"tools": [7]}, "tools", "tools[0]: expected a mapping with type: 'function' and the key function, got 7"),
    ({"tools": [{"type": "web_search"}]}, "tools",
     "tools[0]: expected a mapping with type: 'function' and the key function, got 'web_search'"),
    ({"tools": [TOOLS[0], TOOLS[0]]}, "tools", "tools[1].function.name: expected each name once, got 'weather'"),
    (function(name="two words"), "tools",
     "tools[0].function.name: expected 1 to 64 of the characters A-Z, a-z, 0-9, _ and -, got 'two words'"),
    (function(description=7), "tools", "tools[0].function.description: expected text, got 7"),
    (function(parameters=[]), "tools", "tools[0].function.parameters: expected a JSON schema, got a list of 0"),
    (function(parameters={"type": "string"}), "tools",
     "tools[0].function.parameters: expected a JSON schema of an object, got 'string'"),
    (function(parameters={"$ref": "https://example.com/a"}), "tools",
     "tools[0].function.parameters: expected each $ref to begin with '#', got 'https://example.com/a'"),
    (function(description="a" * 262_144), "tools", "tools: expected at most 262144 characters, got 262264"),
    ({"tools": TOOLS, "tool_choice": "any"}, "tool_choice",
     "tool_choice: expected 'none', 'auto', 'required' or a function of tools, got 'any'"),
    ({"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "war"}}}, "tool_choice",
     "tool_choice: expected 'none', 'auto', 'required' or a function of tools, got a mapping of keys"),
    ({"tool_choice": "required"}, "tool_choice", "tool_choice: expected tools beside 'required', got none"),
    ({"tools": TOOLS, **described({"type": "object"})}, "response_format",
     "response_format: expected none beside tools"),
    ({"messages": [*HELLO, RESULTS[0]]}, "messages.tool_call_id",
     "messages.tool_call_id: expected the id of a call before it, got 'call_y'"),
    ({"messages": [ASKED, *RESULTS]}, "messages",
     "messages: expected a message of the user's or a call's result at the end, or before a reply to go on with"),
    ({"messages": [*HELLO, ASKED]}, "messages",
     "messages: expected a message of the user's or a call's result at the end, or before a reply to go on with"),
    ({"messages": [*HELLO, {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "["}}]}]},
     "messages[1].tool_calls[0].function.arguments",
     "messages[1].tool_calls[0].function.arguments: expected a JSON object, got '['"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "parameter", "message"), BAD, ids=[message[:50] for *_, message in BAD])
async def test_what_is_wrong_is_told_with_its_place(body: dict[str, Any], parameter: str, message: str) -> None:
    answer = await Server().post(**body)
    assert (answer.status_code, error(answer)["message"], error(answer)["param"]) == (400, message, parameter)


async def test_a_model_that_can_call_nothing_says_so() -> None:
    server = Server(builder=test_calling.builder(test_calling.START + test_calling.END))
    answer = await server.post(tools=TOOLS)
    assert (answer.status_code, error(answer)["param"], error(answer)["code"]) == (
        400,
        "tools",
        "unsupported_parameter",
    )
    assert error(answer)["message"].startswith("tools: expected none, since this model's chat template")


async def test_a_call_that_has_to_be_is_one_by_the_answers_grammar() -> None:
    form, special = test_calling.FORMS["Hermes, Qwen 2.5 and 3"]
    builder: PromptBuilder = test_calling.builder(test_calling.template(form), special)
    server = Server(TextDelta(ROME, 9), END, builder=builder)
    for choice, names in (("required", ["weather", "time"]), (NAMED, ["time"]), ("auto", None)):
        answer = await server.post(tools=TOOLS, tool_choice=choice)
        assert called(answer.json()["choices"][0]["message"]) == [("time", {"city": "Rome"})]
        grammar = server.engine.asked[-1].sampling.grammar
        told = json.loads(grammar)["anyOf"] if grammar else None
        assert (told and [each["properties"]["name"]["const"] for each in told]) == names
    begun = [*HELLO, {"role": "assistant", "content": "It"}]
    answer = await server.post(tools=TOOLS, tool_choice="required", messages=begun)
    assert error(answer)["message"] == "tools: expected none beside a reply to go on with"


async def test_a_schema_that_can_not_be_followed_is_told_where_a_call_has_to_be() -> None:
    form, special = test_calling.FORMS["Hermes, Qwen 2.5 and 3"]
    server = Server(builder=test_calling.builder(test_calling.template(form), special))
    odd = function(parameters={"type": "object", "properties": {"a": {"type": "colour"}}})
    answer = await server.post(**odd, tool_choice="required")
    assert (answer.status_code, error(answer)["param"]) == (400, "tools")
    assert "colour" in error(answer)["message"]


def test_references_within_parameters_still_lead_somewhere() -> None:
    point = {"type": "object", "properties": {"x": {"type": "integer"}, "next": {"$ref": "#"}}}
    city = {"properties": {"at": {"$ref": "#/$defs/Point"}}, "$defs": {"Point": {"type": "object", "required": ["x"]}}}
    listed = [{"type": "function", "function": {"name": n, "parameters": p}} for n, p in (("a", point), ("b", city))]
    builder = test_calling.builder(test_calling.START + test_calling.END)
    grammar = Tools(json.dumps(listed), required=True).grammar
    assert builder.schema_problem(grammar) == ""
    matcher = schemas.matcher(grammar, builder._tokenizer)
    for text, fits in (('{"name":"a","arguments":{"x":1,"next":{"x":2}}}', True),
                       ('{"name":"b","arguments":{"at":{"x":1}}}', True),
                       ('{"name":"b","arguments":{"at":{}}}', False),
                       ('{"name":"b","arguments":{"at":{"x":1},"to":1}}', False),
                       ('{"name":"c","arguments":{}}', False)):  # fmt: skip
        matcher.reset()
        tokens = schemas.vocabulary(builder._tokenizer).tokenize_str(text)
        assert (matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting()) == fits, text


async def test_the_parts_of_a_reply_are_told_as_any_other_where_nothing_is_offered() -> None:
    assert (await plain((Part("tool_call", PARIS),), True)).content == f"<tool_call>\n{PARIS}"
