"""The server's door: whose requests come in, how large they may be, and with which policy the answers leave."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from streamspace.config.types import Config
from streamspace.web import door
from streamspace.web import uploads as uploads_module
from streamspace.web.door import Door
from streamspace.web.uploads import Uploads, make_room
from tests.reply.test_pipeline import CONFIG
from tests.running import changed

TOO_LARGE = "This request is too large. Shorten the conversation, or send fewer files"
IMAGES = Config.model_validate(changed({"task": "image-chat", "limits.images": 2}))


async def inner(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the headers and the length of the body that came through."""
    request = Request(scope, receive)
    body = await request.body()
    await JSONResponse({"headers": dict(request.headers), "length": len(body)})(scope, receive, send)


async def ask(config: Config = CONFIG, path: str = "/gradio_api/queue/join", **request: Any) -> httpx.Response:
    transport = httpx.ASGITransport(Door(inner, config))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:7860") as client:
        return await client.post(path, **request)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:7860", "[::1]:7860", "LOCALHOST:1"])
async def test_a_local_server_answers_to_its_own_names(host: str) -> None:
    assert (await ask(headers={"Host": host})).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:7860", "[::1", "", "127.0.0.1.nip.io"])
async def test_a_local_server_answers_to_no_other_name(host: str) -> None:
    answer = await ask(headers={"Host": host})
    assert (answer.status_code, answer.text) == (
        421,
        f"Host: expected localhost or 127.0.0.1, got {host!r}. To serve others, set GRADIO_SERVER_NAME=0.0.0.0\n",
    )


async def test_a_server_for_others_answers_to_any_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_SERVER_NAME", "0.0.0.0")
    assert (await ask(headers={"Host": "space.example"})).status_code == 200


async def test_only_the_spaces_own_name_is_taken_from_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = {
        "X-Forwarded-Host": "evil.example",
        "X-Gradio-Server": "http://evil.example",
        "X-Forwarded-Proto": "https",
    }
    passed = (await ask(headers=foreign)).json()["headers"]
    assert passed["x-forwarded-proto"] == "https"
    assert not {"x-forwarded-host", "x-gradio-server"} & set(passed)
    monkeypatch.setenv("SPACE_HOST", "owner-name.hf.space, chat.example")
    monkeypatch.setenv("GRADIO_SERVER_NAME", "0.0.0.0")
    for own in ("owner-name.hf.space", "chat.example"):
        assert (await ask(headers={"X-Forwarded-Host": own})).json()["headers"]["x-forwarded-host"] == own
    assert "x-forwarded-host" not in (await ask(headers=foreign)).json()["headers"]


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_call_of_many_megabytes_is_refused(monkeypatch: pytest.MonkeyPatch, chunked: bool) -> None:
    monkeypatch.setattr(door, "MOST_JSON", 1000)

    async def pieces(size: int) -> AsyncIterator[bytes]:
        for _ in range(size // 100):
            yield b"x" * 100

    assert (await ask(content=pieces(1000) if chunked else b"x" * 1000)).json()["length"] == 1000
    answer = await ask(content=pieces(1100) if chunked else b"x" * 1001)
    assert (answer.status_code, answer.text) == (413, TOO_LARGE)


async def test_a_space_for_text_takes_no_uploads() -> None:
    answer = await ask(path="/gradio_api/upload", content=b"x")
    assert (answer.status_code, answer.text) == (403, "This Space's model reads text only. Leave the images out")


async def test_an_upload_has_a_size_and_room_for_one_message(uploads_folder: Path) -> None:
    upload = "/gradio_api/upload"
    assert (await ask(IMAGES, upload, content=b"x" * 1000)).status_code == 200
    assert (await ask(IMAGES, upload, headers={"Content-Length": str(21 * 1024 * 1024)})).status_code == 413

    async def unsized() -> AsyncIterator[bytes]:
        yield b"x"

    assert (await ask(IMAGES, f"{upload}/", content=unsized())).status_code == 411


def test_an_address_may_upload_so_much_in_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(uploads_module.time, "monotonic", lambda: now[0])
    uploads, half = Uploads(), uploads_module.MOST_HOURLY // 2
    assert [uploads.admit("a", half) for _ in range(3)] == [True, True, False]
    assert uploads.admit("b", half)
    now[0] = 3601.0
    assert uploads.admit("a", half)


def test_the_oldest_uploads_make_room(tmp_path: Path) -> None:
    for age, name in enumerate(["new", "older", "oldest"]):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cat.png").write_bytes(b"x" * 100)
        os.utime(tmp_path / name / "cat.png", (1000 - age, 1000 - age))
    make_room(tmp_path, 150)
    assert [file.parent.name for file in tmp_path.rglob("*.png")] == ["new"]


async def test_every_answer_has_the_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    for answer in (await ask(), await ask(headers={"Host": "evil.example"})):
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; ")
        assert policy.endswith("base-uri 'self'; frame-ancestors 'self'")
    monkeypatch.setenv("SPACE_HOST", "owner-name.hf.space")
    policy = (await ask()).headers["Content-Security-Policy"]
    assert policy.endswith("; frame-ancestors 'self' https://huggingface.co")


async def test_no_header_of_a_visitors_gives_it_another_hour(
    uploads_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPACE_HOST", "owner-name.hf.space")
    monkeypatch.setattr(uploads_module, "MOST_HOURLY", 1500)
    asking = Door(inner, IMAGES)
    transport = httpx.ASGITransport(asking)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:7860") as client:

        async def upload(forwarded: str) -> int:
            headers = {"X-Forwarded-For": forwarded}
            return (await client.post("/gradio_api/upload", content=b"x" * 1000, headers=headers)).status_code

        assert [await upload(f"6.6.6.{number}, 203.0.113.9") for number in range(3)] == [200, 429, 429]
        assert await upload("6.6.6.0, 203.0.113.10") == 200
