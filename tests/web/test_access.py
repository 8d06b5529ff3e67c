"""The key of a Space at each door: exactly the key opens it, and whatever else is sent does not."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from streamspace.config.types import Config
from streamspace.prompt.message_builder import MessageBuilder
from streamspace.reply.loader import Loader
from streamspace.reply.pipeline import Pipeline
from streamspace.web import metrics
from streamspace.web.access import Keyed
from streamspace.web.mcp import routes as mcp
from streamspace.web.openai import routes as openai
from tests.running import changed
from tests.web.test_openai import HELLO, Engine

KEY = "sk-space-4711-0815"
RIGHT = f"Bearer {KEY}".encode()
DOORS = {  # a request of each
    "/v1/chat/completions": {"messages": HELLO},
    "/gradio_api/v1/chat/completions": {"messages": HELLO},
    "/mcp": {"jsonrpc": "2.0", "id": 1, "method": "ping"},
    "/metrics": None,
    "/gradio_api/call/chat": {"data": []},
    "/gradio_api/run/answer/": {"data": []},
}
UPLOADS = ["/gradio_api/upload", "/gradio_api/upload/", "/streamspace/pdf"]
NEAR = [
    b"", b" ", b"Bearer", KEY.encode(), RIGHT[:-1], RIGHT + b"x", RIGHT + b" ", b"bearer" + RIGHT[6:], b"Bearer  " + RIGHT[7:],
    b"Basic " + RIGHT[7:], RIGHT + b", " + RIGHT, RIGHT.replace(b"s", b"\xc5\xbf"), b"Bearer None", b"Bearer ACCESS_KEY",
]  # fmt: skip
HEADERS = st.lists(st.binary(max_size=40) | st.sampled_from(NEAR), max_size=2).filter(lambda sent: sent != [RIGHT])


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCESS_KEY", f" {KEY}\n")


@pytest.fixture(scope="module")
def app() -> Starlette:
    return doors({"key": "ACCESS_KEY"})


def doors(access: dict[str, Any]) -> Starlette:
    config = Config.model_validate(changed({"access": access}))
    loader = Loader(config, lambda config, _: Pipeline(config, Engine(), MessageBuilder(1024, "on")))  # type: ignore[arg-type]
    loader.load()

    async def gradio(request: Request) -> PlainTextResponse:
        return PlainTextResponse("called")

    routes = [*openai.routes(loader), *mcp.routes(loader), *metrics.routes(loader)]
    paths = [*(path for path in DOORS if "/call/" in path or "/run/" in path), *UPLOADS]
    calls = [Route(path, gradio, methods=["POST"]) for path in paths]
    return Starlette(routes=[*calls, *routes], middleware=[Middleware(Keyed, loader=loader)])


async def send(app: Starlette, path: str, keys: list[bytes]) -> httpx.Response:
    sent = [(b"Authorization", key) for key in keys] + [(b"Accept", b"application/json, text/event-stream")]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        if (body := DOORS.get(path, {})) is None:
            return await client.get(path, headers=sent)
        return await client.post(path, headers=sent, json=body)


@pytest.mark.parametrize("path", DOORS)
async def test_the_key_opens_each_door(app: Starlette, path: str) -> None:
    assert (await send(app, path, [RIGHT])).status_code == 200


@pytest.mark.parametrize("path", DOORS)
@given(HEADERS)
def test_whatever_else_is_sent_is_a_401_at_each_door(app: Starlette, path: str, keys: list[bytes]) -> None:
    answer = asyncio.run(send(app, path, keys))
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    missing = not b"".join(keys).strip() and len(keys) < 2
    assert ("needs the Space's key" in answer.text) == missing
    assert KEY not in answer.text


@pytest.mark.parametrize("path", DOORS)
def test_a_secret_that_has_gone_opens_nothing(app: Starlette, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACCESS_KEY")
    for key in (b"Bearer ", b"Bearer None", RIGHT):
        with pytest.raises(
            Exception, match=r"access\.key: expected a secret 'ACCESS_KEY' in the environment, found none"
        ):
            asyncio.run(send(app, path, [key]))


@pytest.mark.parametrize("path", DOORS)
async def test_with_login_and_without_a_key_each_door_is_closed_and_says_what_opens_it(path: str) -> None:
    for keys in ([], [RIGHT], [b"Bearer None"], [b"Bearer "]):
        answer = await send(doors({"login": True}), path, keys)
        assert answer.status_code == 401
        closed = "This door is closed, since visitors sign in on the Space's page. Its owner can open it with a key (access.key)"
        assert closed in answer.text


@pytest.mark.parametrize("path", UPLOADS)
async def test_with_login_an_upload_comes_from_who_is_signed_in_or_has_the_key(path: str) -> None:
    locked, keyless = doors({"login": True, "key": "ACCESS_KEY"}), doors({"login": True})
    assert [(await send(locked, path, [key])).status_code for key in (RIGHT, b"Bearer x")] == [200, 401]
    for app, keys in ((locked, []), (keyless, []), (keyless, [RIGHT])):
        assert (await send(app, path, list(keys))).status_code == 401
    assert (await send(doors({"key": "ACCESS_KEY"}), path, [])).status_code == 200
