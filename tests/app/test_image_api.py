"""The API of a Space that reads images: uploads, refusals, and files that nobody uploaded."""

from __future__ import annotations

import http.server
import json
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file
from PIL import Image

from streamspace.model.loading import Loaded
from tests.running import App
from tests.standins import vision


@pytest.fixture(scope="module")
def client(image_space: App) -> Iterator[Client]:
    found = Client(image_space.url, verbose=False)
    yield found
    found.close()


def refused(client: Client, **named: Any) -> str:
    with pytest.raises(Exception) as caught:  # noqa: PT011  the client's own class
        client.predict(vision.ASK, api_name="/chat", **named)
    assert caught.type.__name__ == "AppError"
    return str(caught.value)


def test_images_are_a_parameter_that_may_be_left_out(client: Client) -> None:
    endpoint = client.view_api(return_format="dict", print_info=False)["named_endpoints"]["/chat"]
    assert [parameter["parameter_name"] for parameter in endpoint["parameters"]] == [
        "message", "history", "system_prompt", "max_new_tokens", "temperature", "top_p", "top_k", "repetition_penalty",
        "seed", "thinking", "images", "min_p",
    ]  # fmt: skip
    assert [parameter["parameter_has_default"] for parameter in endpoint["parameters"]] == [False, *[True] * 11]


def test_the_reply_to_an_uploaded_image_streams(client: Client, vision_loaded: Loaded, tmp_path: Path) -> None:
    path = vision.picture(tmp_path, color="green")
    job = client.submit(vision.ASK, images=[handle_file(path)], max_new_tokens=60, api_name="/chat")
    texts = list(job)
    assert job.exception() is None
    assert len(texts) > 2
    with Image.open(path) as picture:
        assert texts[-1] == vision.plain(vision_loaded, [picture.copy()], vision.ASK)


def test_a_damaged_upload_is_told_word_for_word(client: Client, tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 40)
    assert refused(client, images=[handle_file(tmp_path / "cat.png")]) == (
        "'cat.png' is not an image that can be read here: expected a JPEG, PNG, WebP or GIF file"
    )
    assert client.predict(vision.ASK, max_new_tokens=16, api_name="/chat")


def posted(space: App, history: list[Any], *images: Any) -> str:
    """What the API answers to a client that sends what it likes; gradio_client would upload a file by itself."""
    body = json.dumps({"data": [vision.ASK, history, *[None] * 7, True, *images, None]}).encode()
    call = urllib.request.Request(f"{space.url}/gradio_api/call/chat", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(call, timeout=10) as answer:
        event = json.load(answer)["event_id"]
    with urllib.request.urlopen(f"{space.url}/gradio_api/call/chat/{event}", timeout=30) as answer:
        return str(answer.read().decode("unicode-escape"))


@pytest.fixture
def site() -> Iterator[tuple[str, list[str]]]:
    """The address of an image on another site, and what that site has been asked for."""
    asked: list[str] = []

    class Site(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)

    with http.server.HTTPServer(("127.0.0.1", 0), Site) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/cat.png", asked
        running.shutdown()


@pytest.mark.parametrize("where", ["the site", "https://example.org/cat.png", "/etc/passwd"])
@pytest.mark.parametrize("task", ["text", "images"])
def test_an_address_is_never_fetched_and_no_other_file_is_read(
    request: pytest.FixtureRequest, site: tuple[str, list[str]], where: str, task: str
) -> None:
    space = request.getfixturevalue("image_space" if task == "images" else "app")
    path = site[0] if where == "the site" else where
    expected = f"images: expected files that were uploaded to this Space, got '{path}'. With gradio_client,"
    for found in (
        vision.upload(Path("x")) | {"path": path},
        {"path": path},
    ):  # with Gradio's mark of a file, and without
        history = [{"role": "user", "content": [{"type": "file", "file": found}, {"type": "text", "text": vision.ASK}]}]
        assert expected in posted(space, history, *([None] if task == "images" else []))
        if task == "images":
            assert expected in posted(space, [], [found])
    assert site[1] == []
