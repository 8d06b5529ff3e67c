"""The engine for a model behind a server: its replies, its errors in plain words, and no torch; then a real server."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from gradio_client import Client
from huggingface_hub.inference._providers import CONVERSATIONAL_AUTO_ROUTER

from streamspace.config.server import Endpoint
from streamspace.engines import calls, endpoint
from streamspace.engines.endpoint import EndpointEngine
from streamspace.events import (
    LEAST,
    Event,
    Failure,
    Finished,
    Heartbeat,
    Likelihood,
    Message,
    Part,
    Request,
    Scored,
    TextDelta,
)
from streamspace.prompt.conversation import Turn
from streamspace.prompt.message_builder import MessageBuilder
from streamspace.prompt.prompt import Conversation
from streamspace.sampling import ANY_OBJECT, SamplingParams
from streamspace.tools import Call
from tests.running import ROOT, App, clean, free_port
from tests.standins.chat_server import (
    ChatServer,
    Exchange,
    delta,
    refusal,
    serve,
    usage,
    words,
)

GREEDY = SamplingParams(max_new_tokens=80, temperature=0, top_p=1, top_k=0, repetition_penalty=1, seed=1)
HELLO = (Message("system", "Be kind."), Message("user", "Hello"))


@pytest.fixture
def server() -> Iterator[ChatServer]:
    yield from serve()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "PAUSES", (0.01, 0.01))


def engine(server: ChatServer, key: str | None = None, timeout: float = 10) -> EndpointEngine:
    return EndpointEngine(Endpoint(url=server.url, timeout=timeout), "owner/model", key, capacity=2)


def ask(engine: EndpointEngine, sampling: SamplingParams = GREEDY, **changes: Any) -> list[Event]:
    events = engine.stream(Request((), sampling, messages=HELLO, **changes), threading.Event())
    return [event for event in events if not isinstance(event, Heartbeat)]


def text(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def sampling(**changes: Any) -> SamplingParams:
    return SamplingParams(**{**vars(GREEDY), **changes})


def test_a_reply_streams_and_the_servers_count_of_tokens_is_used(server: ChatServer) -> None:
    server.answers = [words("Hel", "lo", " \t", "👋", tokens=7)]
    events = ask(engine(server))
    assert events[:-1] == [TextDelta("Hel", 1), TextDelta("lo", 2), TextDelta(" \t", 3), TextDelta("👋", 4)]
    end = events[-1]
    assert isinstance(end, Finished)
    assert (end.reason, end.tokens, end.prompt_tokens, end.reused_tokens) == ("stop", 7, 5, 0)


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("cut", [0, 1, 5, 45, 52, 53])
def test_a_text_ends_no_line_whatever_is_in_it_and_wherever_it_is_cut(server: ChatServer, ends: str, cut: int) -> None:
    odd = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\r\nh\ni👋"

    def answer(exchange: Exchange) -> None:
        exchange.ends, exchange.cut = ends, cut
        words(odd, "x")(exchange)

    server.answers = [answer]
    assert text(ask(engine(server))) == f"{odd}x"


@pytest.mark.parametrize(
    ("details", "reused"), [({"cached_tokens": 3}, 3), ({}, 0), ({"cached_tokens": None}, 0), ("x", 0), (None, 0)]
)
def test_the_tokens_that_a_server_had_in_its_cache_are_told(server: ChatServer, details: Any, reused: int) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.send(delta("Hello", finish="stop"))
        counted = usage(1)
        exchange.send({**counted, "usage": {**counted["usage"], "prompt_tokens_details": details}})

    server.answers = [answer]
    end = ask(engine(server))[-1]
    assert isinstance(end, Finished)
    assert end.reused_tokens == reused


@pytest.mark.parametrize("told", [None, -1, "7", 0.5, [7], {}])
def test_counts_that_are_none_are_not_taken_from_a_server(server: ChatServer, told: Any) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.send(delta("Hello", finish="stop"))
        details = {"cached_tokens": told}
        counted = {"prompt_tokens": told, "completion_tokens": told, "prompt_tokens_details": details}
        exchange.send({"choices": [], "usage": counted})

    server.answers = [answer]
    end = ask(engine(server))[-1]
    assert isinstance(end, Finished)
    assert (end.tokens, end.prompt_tokens, end.reused_tokens) == (1, 0, 0)


def test_what_is_asked_is_what_these_servers_have_in_common(server: ChatServer) -> None:
    server.answers = [words("Hi")]
    ask(engine(server, key="k-1"))
    ask(engine(server), sampling(temperature=0.7, top_k=5, min_p=0.1, repetition_penalty=1.2, stop=("END",)))
    plain, more = server.asked
    assert plain == {
        "path": "/v1/chat/completions", "key": "Bearer k-1", "model": "owner/model", "stream": True,
        "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello"}],
        "max_tokens": 80, "temperature": 0, "top_p": 1, "seed": 1, "stream_options": {"include_usage": True},
    }  # fmt: skip
    assert {**plain, **more} == {
        **plain, "key": None, "temperature": 0.7, "top_k": 5, "min_p": 0.1, "repetition_penalty": 1.2, "stop": ["END"],
    }  # fmt: skip


def test_without_a_key_the_machines_own_hub_token_is_not_sent(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_owner")
    server.answers = [words("Hi")]
    ask(engine(server))
    assert server.asked[0]["key"] is None


def test_providers_are_asked_through_the_hubs_router(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CONVERSATIONAL_AUTO_ROUTER, "base_url", server.url.removesuffix("/v1"))
    server.answers = [words("Hel", "lo\u2028there", tokens=2)]
    events = ask(EndpointEngine(Endpoint(timeout=10), "owner/model", "hf_a", capacity=2))
    assert text(events) == "Hello\u2028there"
    assert isinstance(events[-1], Finished)
    (asked,) = server.asked
    assert (asked["path"], asked["key"], asked["model"]) == ("/v1/chat/completions", "Bearer hf_a", "owner/model")
    assert (asked["max_tokens"], asked["stream"]) == (80, True)


@pytest.mark.parametrize("end", ["", "/v1", "/v1/", "/v1/chat/completions", "/v1/chat/completions/"])
def test_an_address_may_end_as_people_write_it(server: ChatServer, end: str) -> None:
    server.answers = [words("Hi")]
    at = Endpoint(url=server.url.removesuffix("/v1") + end, timeout=10)
    assert text(ask(EndpointEngine(at, "owner/model", None, capacity=2))) == "Hi"
    assert server.asked[0]["path"] == "/v1/chat/completions"


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_thoughts_in_a_field_of_their_own_are_told_apart(server: ChatServer, field: str) -> None:
    def answer(exchange: Exchange) -> None:
        for thought in ("Hm", ", well"):
            exchange.send(delta(**{field: thought}))
        words("42")(exchange)

    server.answers = [answer]
    events = [event for event in ask(engine(server)) if isinstance(event, TextDelta)]
    assert [(event.kind, event.text) for event in events] == [
        ("reasoning", "Hm"), ("reasoning", ", well"), ("answer", "42"),
    ]  # fmt: skip


def test_the_form_of_an_answer_reaches_a_server_as_openai_has_it(server: ChatServer) -> None:
    server.answers = [words("{}")]
    ask(engine(server), sampling(grammar='{"type":"object","title":"A"}'))
    ask(engine(server), sampling(grammar=ANY_OBJECT))
    described = {"name": "answer", "schema": {"type": "object", "title": "A"}, "strict": True}
    assert [each["response_format"] for each in server.asked] == [
        {"type": "json_schema", "json_schema": described},
        {"type": "json_object"},
    ]


def test_how_likely_tokens_were_is_asked_for_and_taken_as_far_as_it_is_told(server: ChatServer) -> None:
    def told(token: str, **more: Any) -> dict[str, Any]:
        return {"content": [{"token": token, "logprob": -0.5, "top_logprobs": [], **more}]}

    def answer(exchange: Exchange) -> None:
        exchange.send(delta(reasoning_content="hm"))
        for content, logprobs in (
            ("a", told("a")),
            ("é", told("\ufffd", bytes=[195, 169], top_logprobs=[{"token": "b", "logprob": -1e99}])),
            ("?", {"content": None}), ("!", told("!", bytes=[999])), (".", None), (",", {}),
        ):  # fmt: skip
            chunk = delta(content)
            chunk["choices"][0]["logprobs"] = logprobs
            exchange.send(chunk)
        exchange.send(delta(finish="stop"))

    server.answers = [answer]
    events = ask(engine(server), sampling(likeliest=2))
    scored = [each for event in events if isinstance(event, TextDelta) for each in event.scored]
    assert scored == [
        Scored(Likelihood(b"a", -0.5)),
        Scored(Likelihood("é".encode(), -0.5), (Likelihood(b"b", LEAST),)),
    ]
    assert (server.asked[0]["logprobs"], server.asked[0]["top_logprobs"]) == (True, 2)
    assert isinstance(events[-1], Finished)
    ask(engine(server), sampling(likeliest=0))
    assert "top_logprobs" not in server.asked[1]


def test_calls_come_in_pieces_and_are_told_whole(server: ChatServer) -> None:
    def piece(index: int, **function: str) -> dict[str, Any]:
        return delta(tool_calls=[{"index": index, "id": "x", "type": "function", "function": function}])

    def answer(exchange: Exchange) -> None:
        exchange.send(delta("Let me see."))
        for told in (piece(0, name="look", arguments=""), piece(0, arguments='{"a": '), piece(0, arguments='"b"}')):
            exchange.send(told)
        exchange.send(piece(1, name="wait", arguments="{}"))
        exchange.send(delta(finish="tool_calls"))

    server.answers = [answer]
    events = ask(engine(server))
    told = "".join(event.text for event in events if isinstance(event, TextDelta) and event.kind == "tool_call")
    assert calls.listed(told) == (Call("look", '{"a": "b"}'), Call("wait"))
    assert text(events).startswith("Let me see.")
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "stop"


def test_thoughts_that_a_server_leaves_in_the_text_are_told_apart(server: ChatServer) -> None:
    server.answers = [words("<th", "ink>\nHm", "\n</think>\n\n4", "2")]
    stream = engine(server).stream(Request((), GREEDY, begins="answer", messages=HELLO), threading.Event())
    events = [event for event in stream if isinstance(event, TextDelta)]
    assert [(event.kind, event.text) for event in events] == [("reasoning", "Hm"), ("answer", "4"), ("answer", "2")]


@pytest.mark.parametrize(
    ("thinking", "sent"),
    [
        ("off", {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}}),
        ("on", {"chat_template_kwargs": {"enable_thinking": True, "thinking": True}}),
        ("low", {"reasoning_effort": "low", "chat_template_kwargs": {"reasoning_effort": "low"}}),
        ("", {}),
    ],
)
def test_the_choice_of_thinking_travels_to_the_server(server: ChatServer, thinking: str, sent: dict[str, Any]) -> None:
    server.answers = [words("Hi")]
    list(engine(server).stream(Request((), GREEDY, messages=HELLO, thinking=thinking), threading.Event()))
    body = server.asked[0]
    assert {key: body[key] for key in ("reasoning_effort", "chat_template_kwargs") if key in body} == sent


def test_a_server_on_this_machine_is_reached_offline_and_without_the_proxy_and_no_other_is(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    server.answers = [words("Hello")]
    assert text(ask(engine(server))) == "Hello"
    server.url = "http://models.example/v1"
    offline = "The model's server can't be reached while HF_HUB_OFFLINE is set. The Space's owner: unset it"
    assert ask(engine(server)) == [Failure(offline)]


def test_closing_fails_what_is_being_written_and_closes_its_connection(server: ChatServer) -> None:
    server.answers = [words(*["word "] * 500, pause=0.01)]
    asking = engine(server)
    stream = asking.stream(Request((), GREEDY, messages=HELLO), threading.Event())
    while not isinstance(next(stream), TextDelta):
        pass
    asking.close()
    assert list(stream)[-1] == Failure("The model's server can't be reached. Try again in a moment")
    assert server.hung_up.wait(5)


def test_a_stop_string_ends_the_reply_and_is_not_shown(server: ChatServer) -> None:
    server.answers = [words("One EN", "D two", finish=None)]
    events = ask(engine(server), sampling(stop=("END",)))
    assert text(events) == "One "
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "stop"


def test_what_might_have_become_a_stop_string_is_shown_at_the_end(server: ChatServer) -> None:
    server.answers = [words("One EN", finish="length")]
    events = ask(engine(server), sampling(stop=("END",)))
    assert text(events) == "One EN"
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "length"


def test_stop_closes_the_connection(server: ChatServer) -> None:
    server.answers = [words(*["word "] * 500, pause=0.01)]
    stop = threading.Event()
    events = []
    for event in engine(server).stream(Request((), GREEDY, messages=HELLO), stop):
        events.append(event)
        if isinstance(event, TextDelta):
            stop.set()
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "cancelled"
    assert server.hung_up.wait(5)


def test_stop_closes_the_connection_though_the_reader_sleeps_between_two_updates(server: ChatServer) -> None:
    server.answers = [words(*["word "] * 500, pause=0.01)]
    stop = threading.Event()
    stream = engine(server).stream(Request((), GREEDY, messages=HELLO), stop)
    while not isinstance(next(stream), TextDelta):
        pass
    stop.set()
    assert server.hung_up.wait(3)
    assert [event.reason for event in stream if isinstance(event, Finished)] == ["cancelled"]


def test_a_silent_server_can_be_stopped_too(server: ChatServer) -> None:
    server.answers = [lambda exchange: time.sleep(1)]
    stop = threading.Event()
    stream = engine(server).stream(Request((), GREEDY, messages=HELLO), stop)
    assert next(stream) == Heartbeat("prefill")
    stop.set()
    assert [type(event) for event in stream] == [Finished]


def test_the_time_limit_ends_the_reply_with_its_text_kept(server: ChatServer) -> None:
    server.answers = [words(*["word "] * 500, pause=0.01)]
    events = ask(engine(server), time_limit=0.2)
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "timeout"
    assert text(events).startswith("word ")


def test_a_server_that_is_starting_is_asked_again(server: ChatServer) -> None:
    server.answers = [refusal(503), refusal(429), words("Hello")]
    assert text(ask(engine(server))) == "Hello"
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("status", "tries", "message"),
    [
        (400, 1, "The model's server refused the request (HTTP 400). Shorten the conversation, or start a new one"),
        (401, 1, "The model's server refuses this Space's key. Its owner: see the secret ENDPOINT_KEY"),
        (404, 1, "The model's server has no model 'owner/model'. The Space's owner: see model.id and endpoint.url"),
        (429, 3, "The model's server is overloaded. Try again in a moment"),
        (502, 3, "The model's server failed (HTTP 502). Try again in a moment"),
    ],
)
def test_errors_come_in_plain_words(server: ChatServer, status: int, tries: int, message: str) -> None:
    server.answers = [refusal(status)]
    assert ask(engine(server)) == [Failure(message)]
    assert len(server.asked) == tries


def test_a_server_that_is_gone_or_silent_is_named_as_such(server: ChatServer) -> None:
    server.answers = [lambda exchange: time.sleep(1)]
    silent = "The model's server sent nothing for 0.2 seconds. Try again in a moment"
    assert ask(engine(server, timeout=0.2)) == [Failure(silent)]
    server.url = f"http://127.0.0.1:{free_port()}/v1"
    assert ask(engine(server)) == [Failure("The model's server can't be reached. Try again in a moment")]


def test_a_server_that_failed_is_an_ailment_until_it_answers_or_a_while_has_passed(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = engine(server)
    server.answers = [refusal(400)]
    ask(asking)
    assert asking.unavailable_reason() is None  # this request's own fault
    server.answers = [refusal(401)]
    ask(asking)
    assert asking.unavailable_reason() == (
        "The model's server refuses this Space's key. Its owner: see the secret ENDPOINT_KEY"
    )  # fmt: skip
    server.answers = [words("Hello")]
    ask(asking)
    assert asking.unavailable_reason() is None
    server.answers = [refusal(502)]
    ask(asking)
    assert asking.unavailable_reason()
    monkeypatch.setattr("streamspace.engines.engine.STALE", 0.0)
    assert asking.unavailable_reason() is None


def test_a_reply_that_breaks_off_is_not_asked_for_again_and_its_error_not_quoted(
    server: ChatServer, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(exchange: Exchange) -> None:
        exchange.send(delta("Half a"))
        exchange.send({"error": "can't answer 'xylophone-4711'"})

    broken = "The model's server failed while it was answering. Try again in a moment"
    server.answers = [answer]
    asking = engine(server)
    assert ask(asking) == [TextDelta("Half a", 1), Failure(broken)]
    assert asking.unavailable_reason() == broken  # which /health shows
    assert "xylophone" not in caplog.text
    assert "The model's server failed: " in caplog.text
    server.answers = [words("Half a", finish=None)]
    assert ask(engine(server)) == [TextDelta("Half a", 1), Failure(broken)]
    assert len(server.asked) == 2


def test_more_visitors_than_places_wait(server: ChatServer) -> None:
    server.answers = [words(*["word "] * 100, pause=0.01)]
    full = engine(server)
    writing = [full.stream(Request((), GREEDY, messages=HELLO), threading.Event()) for _ in range(full.capacity)]
    for stream in writing:
        next(stream)
    assert next(full.stream(Request((), GREEDY, messages=HELLO), threading.Event())) == Heartbeat("waiting")
    for stream in writing:
        stream.close()


def test_the_oldest_turns_are_left_out_and_a_begun_reply_comes_last() -> None:
    turns = [Turn("user", "a" * 60), Turn("assistant", "b"), Turn("user", "c" * 60)]
    prompt = MessageBuilder(most_tokens=20).chat(Conversation("Be kind.", turns, begun=(Part("answer", "Well"),)), 10)
    assert prompt.dropped_messages == 2
    assert prompt.messages == (
        Message("system", "Be kind."), Message("user", "c" * 60), Message("assistant", "Well"),
    )  # fmt: skip
    assert MessageBuilder(most_tokens=1000).chat(Conversation("", turns), 10).dropped_messages == 0


def test_the_whole_app_runs_on_an_endpoint_without_torch(server: ChatServer, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('torch is not installed')\n")
    server.answers = [words("Hello ", "from afar")]
    changes = {"endpoint": {"url": server.url}, "model.id": "owner/model"}
    app = App(tmp_path, changes, env={"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"})
    try:
        assert Client(app.url, verbose=False).predict("Hi", api_name="/chat") == "Hello from afar"
        assert "Engine: endpoint because the config names a server" in app.log
    finally:
        app.end()


@pytest.fixture(scope="module")
def real_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`transformers serve` with the embedded model."""
    if importlib.util.find_spec("openai") is None:
        pytest.skip("transformers serve needs a package: pip install openai")
    port = free_port()
    log = tmp_path_factory.mktemp("serve") / "log"
    serving = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(ROOT / "models/tiny")]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*serving, "--port", str(port)], env=clean(os.environ), stdout=out, stderr=subprocess.STDOUT
        )
    for _ in range(600):
        if process.poll() is not None:
            pytest.fail(log.read_text())
        try:
            urllib.request.urlopen(f"http://localhost:{port}/health", timeout=1).close()
            break
        except OSError:
            time.sleep(0.1)
    yield f"http://localhost:{port}/v1"
    process.terminate()
    process.wait(20)


def test_a_real_server_writes_what_the_model_writes_here(real_server: str, tiny: Any) -> None:
    remote = EndpointEngine(Endpoint(url=real_server), str(ROOT / "models/tiny"), None, capacity=1)
    messages = [{"role": "user", "content": "What is ZeroGPU?"}]
    request = Request((), sampling(max_new_tokens=40), messages=(Message("user", "What is ZeroGPU?"),))
    events = list(remote.stream(request, threading.Event()))
    prompt = tiny.tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt")["input_ids"]
    output = tiny.model.generate(prompt, max_new_tokens=40, do_sample=False)
    expected = tiny.tokenizer.decode(output[0, prompt.shape[1] :], skip_special_tokens=True)
    assert text(events) == expected
    assert isinstance(events[-1], Finished)
    assert events[-1].reason in ("stop", "length")
