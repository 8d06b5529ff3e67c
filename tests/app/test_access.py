"""The real app with `access.key`, through the clients that people use: with the key, without it, and past it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from tests.app.test_hostile_calls import QUESTION, with_question
from tests.app.test_mcp import ask, said
from tests.app.test_openai import loaded, replies, user
from tests.app.test_redacting import functions, page_call
from tests.running import App

KEY = "sk-space-4711-0815"
MISSING = "This door needs the Space's key, in the header Authorization: Bearer KEY. Ask the Space's owner for it"
WRONG = "The key in the header Authorization isn't this Space's. Ask the Space's owner for the right one"
SCRIPTED = "tests/standins/apps/scripted_app.py"
BEARER = {"Authorization": f"Bearer {KEY}"}
NAMED = [f"/gradio_api/{way}/{name}" for way in ("call", "call/v2", "run", "api") for name in ("chat", "answer")]


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    changes = {"doors.metrics": True, "access.key": "ACCESS_KEY"}
    running = App(tmp_path_factory.mktemp("keyed"), changes, SCRIPTED, {"ACCESS_KEY": f"{KEY}\n"})
    loaded(running)
    yield running
    assert KEY not in running.log
    assert "Traceback" not in running.log
    running.end()


def client(app: App, key: str, **settings: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{app.url}/v1", api_key=key, max_retries=0, **settings)


def post(app: App, path: str, body: Any, headers: dict[str, str] | None = None) -> httpx.Response:
    return httpx.post(f"{app.url}{path}", json=body, headers=headers, timeout=20)


@pytest.mark.parametrize("stream", [True, False])
def test_openais_client_needs_the_key_for_replies_and_none_for_the_list_of_models(keyed: App, stream: bool) -> None:
    with client(keyed, KEY) as found:
        assert found.chat.completions.create(model="tiny", messages=user("hello"), stream=stream)  # type: ignore[call-overload]
    with client(keyed, "sk-other") as other:
        with pytest.raises(openai.AuthenticationError) as caught:
            other.chat.completions.create(model="tiny", messages=user("hello"), stream=stream)  # type: ignore[call-overload]
        assert [model.id for model in other.models.list()] == ["tiny"]
    assert caught.value.body == {
        "message": WRONG,
        "type": "invalid_request_error",
        "param": None,
        "code": "invalid_api_key",
    }
    assert caught.value.response.headers["WWW-Authenticate"] == "Bearer"
    for path in ("/v1/chat/completions", "/gradio_api/v1/chat/completions", "/v1/completions"):
        answer = post(keyed, path, {"messages": user("hello")})
        assert (answer.status_code, answer.json()["error"]["message"]) == (401, MISSING)


def test_the_hubs_token_of_a_private_space_travels_beside_the_key(keyed: App) -> None:
    hub = {"X-HF-Authorization": "Bearer hf_4711"}
    with client(keyed, KEY, default_headers=hub) as found:
        assert found.chat.completions.create(model="tiny", messages=user("hello")).choices[0].message.content == "hello"
    other = Client(keyed.url, token="hf_4711", headers=BEARER, verbose=False)
    assert other.predict("hello", api_name="/chat") == "hello"
    other.close()


def test_gradios_client_needs_the_key_in_its_headers(keyed: App) -> None:
    for headers, told in ((None, MISSING), ({"Authorization": "Bearer sk-other"}, WRONG)):
        refused = Client(keyed.url, headers=headers, verbose=False)
        with pytest.raises(AppError, match=f"^{told}$"):
            refused.predict("hello", api_name="/chat")
        refused.close()
    found = Client(keyed.url, headers=BEARER, verbose=False)
    assert list(found.submit("hello", api_name="/chat"))[-1] == "hello"
    found.close()


@pytest.mark.parametrize("path", NAMED)
def test_by_a_name_no_function_is_called_without_the_key_also_none_of_the_pages(keyed: App, path: str) -> None:
    for body in ({"data": [QUESTION]}, {"message": "hello"}, {"data": [QUESTION], "fn_index": with_question(keyed)[0]}):
        for form in (path, f"{path}/"):
            answer = post(keyed, form, body)
            assert (answer.status_code, answer.json()) == (401, {"detail": MISSING})
            assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_call_by_name_works_with_the_key(keyed: App) -> None:
    event = post(keyed, "/gradio_api/call/v2/chat", {"message": "hello"}, BEARER).json()["event_id"]
    told = httpx.get(f"{keyed.url}/gradio_api/call/v2/chat/{event}", timeout=20).text
    assert told.endswith('event: complete\ndata: ["hello"]\n\n')


def test_the_page_is_open_and_its_way_of_calling_leads_to_no_function_of_the_api(keyed: App) -> None:
    shown = page_call(keyed, with_question(keyed)[0], [QUESTION])
    assert (shown["success"], shown["output"]["data"][0]["state"]) == (True, "done")
    (chat,) = (each for each in functions(keyed) if each["api_visibility"] == "public")
    refused = page_call(keyed, chat["id"], ["hello", *[None] * (len(chat["inputs"]) - 1)])
    assert (refused["success"], refused["output"]["error"]) == (False, MISSING)


async def test_an_agent_needs_the_key(keyed: App) -> None:
    async with (
        httpx.AsyncClient(headers=BEARER) as http,
        streamable_http_client(f"{keyed.url}/mcp", http_client=http) as (reading, writing, _),
        ClientSession(reading, writing) as session,
    ):
        await session.initialize()
        assert said(await ask(session, "hello")) == ["hello"]
    with pytest.RaisesGroup(pytest.RaisesExc(httpx.HTTPStatusError, match="401"), flatten_subgroups=True):
        async with (
            streamable_http_client(f"{keyed.url}/mcp") as (reading, writing, _),
            ClientSession(reading, writing) as session,
        ):
            await session.initialize()
    answer = post(keyed, "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, {"Authorization": "Bearer x"})
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert (answer.status_code, answer.json()) == (
        401,
        {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": WRONG}},
    )


def test_metrics_need_the_key_and_the_state_of_the_server_does_not(keyed: App) -> None:
    refused = httpx.get(f"{keyed.url}/metrics")
    assert (refused.status_code, refused.text) == (401, f"{MISSING}\n")
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    assert "streamspace_requests_total" in httpx.get(f"{keyed.url}/metrics", headers=BEARER).text
    assert httpx.get(f"{keyed.url}/readyz").status_code == 200


def test_a_refused_key_is_in_the_log_with_its_door_and_without_the_key(keyed: App) -> None:
    before = len(replies(keyed))
    wrong = {"Authorization": "Bearer sk-secret-of-another"}
    for path in ("/v1/chat/completions", "/mcp", "/gradio_api/call/v2/chat"):
        post(keyed, path, {}, wrong)
    httpx.get(f"{keyed.url}/metrics")
    told = [(line["door"], line["outcome"], line["reason"]) for line in replies(keyed)[before:]]
    assert told == [
        ("openai", "refused", "key_wrong"),
        ("mcp", "refused", "key_wrong"),
        ("gradio", "refused", "key_wrong"),
        ("metrics", "refused", "key_missing"),
    ]
    assert "sk-secret-of-another" not in keyed.log


def test_behind_a_proxy_with_a_root_the_same_doors_are_locked(start: Callable[..., App]) -> None:
    env = {"ACCESS_KEY": KEY, "GRADIO_ROOT_PATH": "/chat"}
    app = start(changes={"access.key": "ACCESS_KEY", "doors.metrics": True}, script=SCRIPTED, env=env)
    for path in ("/v1/chat/completions", "/mcp", *NAMED):
        found = {post(app, f"{root}{path}", {}).status_code for root in ("", "/chat")}
        assert {401} <= found <= {401, 404}, path
    assert {httpx.get(f"{app.url}{root}/metrics").status_code for root in ("", "/chat")} <= {401, 404}


def test_an_app_without_its_key_ends_at_its_start(tmp_path: Path) -> None:
    for value in ("", " \n"):
        with pytest.raises(RuntimeError) as caught:
            App(tmp_path, {"access.key": "ACCESS_KEY"}, SCRIPTED, {"ACCESS_KEY": value})
        assert str(caught.value) == (
            "the app ended with 2:\naccess.key: expected a secret 'ACCESS_KEY' in the environment, found none. "
            "Deploy with --secret ACCESS_KEY; on your computer: export ACCESS_KEY=...\n"
        )


def test_without_the_config_key_no_header_matters(scripted: App) -> None:
    for headers in (None, {"Authorization": "Basic eDp5"}):
        request = urllib.request.Request(
            f"{scripted.url}/v1/chat/completions",
            json.dumps({"messages": user("hello")}).encode(),
            {"Content-Type": "application/json", **(headers or {})},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert answer.status == 200
