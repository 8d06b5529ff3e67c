"""What the page and its updates weigh: nothing from elsewhere, little of our own, and no more with a long history."""

from __future__ import annotations

import json
import secrets
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from streamspace import i18n
from streamspace.config import file as configfile
from streamspace.web.page import theme
from tests.browser.test_browser import Visitor
from tests.running import ROOT, App

GRADIOS = (
    "/assets/",
    "/static/",
    "/gradio_api/",
    "/theme.css",
    "/config",
    "/manifest.json",
    "/favicon.ico",
    "/monitoring/",
)


def test_the_page_asks_for_nothing_but_gradios_own_files(browser: Any, scripted: App) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    visitor = Visitor(page, scripted.url)
    visitor.say("```python\nprint(1)\n```\n\n$x^2$")
    visitor.wait(visitor.finished)
    context.close()
    assert visitor.outside == []
    ours = {url for url in asked if url.startswith(scripted.url) and not urlsplit(url).path.startswith(GRADIOS)}
    assert ours == {f"{scripted.url}/"}


def test_what_we_add_to_gradios_page_is_small() -> None:
    head = theme.head(configfile.read(ROOT / "config/tiny.yaml").page)
    words = json.dumps(i18n.browser_catalogs(), ensure_ascii=False)
    assert len(head.encode()) < 40_000  # uncompressed; Gradio's own is 100 times that
    assert len(words.encode()) < 5_000 * len(i18n.LANGUAGES)


def updates(scripted: App, turns: int) -> list[int]:
    """The bytes of each update of a reply to the last of so many questions, as they come over the wire."""
    with urllib.request.urlopen(f"{scripted.url}/config") as answer:
        config = json.load(answer)
    parts = {part["id"]: part for part in config["components"]}
    calls = (each for each in config["dependencies"] if each["backend_fn"] and len(each["inputs"]) > 2)
    call = next(
        each for each in calls if parts[each["inputs"][0]]["type"] == "chatbot" == parts[each["outputs"][0]]["type"]
    )
    settings = [parts[each]["props"].get("value") for each in call["inputs"][1:]]
    said = [part for _ in range(turns - 1) for part in (message("user", "before"), message("assistant", "before"))]
    session = secrets.token_hex(5)
    data = {"data": [[*said, message("user", "steady")], *settings], "fn_index": call["id"], "session_hash": session}
    asked = urllib.request.Request(
        f"{scripted.url}/gradio_api/queue/join", json.dumps(data).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(asked).close()
    sizes = []
    with urllib.request.urlopen(f"{scripted.url}/gradio_api/queue/data?session_hash={session}") as stream:
        for line in stream:
            event = json.loads(line[6:]) if line.startswith(b"data: ") else {}
            if event.get("msg") == "process_generating" and '"append"' in line.decode():
                sizes.append(len(line))
            if event.get("msg") == "process_completed":
                assert event["success"], event
                break
    return sizes


def message(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": [{"type": "text", "text": text}], "metadata": None, "options": None}


def test_an_update_is_as_small_after_forty_turns_as_after_two(scripted: App) -> None:
    few, many = updates(scripted, 2), updates(scripted, 40)
    assert len(few) > 5
    assert abs(min(many) - min(few)) <= 4  # the message's number has another digit
    assert max(many) < 600
