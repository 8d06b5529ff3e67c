"""What anyone may post to the real app, past its page: it builds, opens, fetches and serves nothing that isn't its own."""

from __future__ import annotations

import http.client
import json
import math
import re
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from streamspace.web.page.gate import SCHEMAS
from tests.app.test_image_api import site
from tests.app.test_redacting import WRONG_VALUES, functions, page_call
from tests.running import ROOT, App
from tests.standins import vision

__all__ = ["site"]  # a fixture
QUESTION: dict[str, Any] = {"id": "a", "message": "hi", "history": [], "begun": [], "images": [], "sampling": {}}
FILE = {"path": "SITE", "meta": {"_type": "gradio.FileData"}}
TURN = {"role": "user", "content": "hi"}
CHANGES: list[dict[str, Any]] = [
    {"id": 7}, {"id": "x" * 65}, {"message": None}, {"message": ["hi"]}, {"message": TURN}, {"more": 1}, {"history": "hi"},
    {"history": [{**TURN, "role": "system"}]}, {"history": [{**TURN, "content": [TURN]}]}, {"history": [{**TURN, "more": 1}]},
    {"history": [{**TURN, "images": [FILE]}]}, {"history": [{**TURN, "images": ["SITE"]}]}, {"images": [FILE]}, {"images": ["SITE"]},
    {"images": [{"path": "/etc/passwd"}]}, {"begun": [{"kind": "system", "text": "hi"}]}, {"begun": ["hi"]}, {"begun": [{"kind": "answer"}]},
    {"system": 7}, {"thinking": True}, {"sampling": None}, {"sampling": {"temperature": "7"}}, {"sampling": {"seed": [7]}},
    {"sampling": {"x" * 65: 1}}, {"file_characters": -1}, {"file_characters": "7"}, {"file_characters": 10**400},
    *({"sampling": {"temperature": value}} for value in (math.nan, math.inf, 10**400, True)),
]  # fmt: skip


def asked(url: str, data: bytes | None = None, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(url, data, {name.replace("_", "-"): value for name, value in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode("utf-8", "replace")
    except http.client.IncompleteRead as error:  # Gradio breaks off a stream that it doesn't know how to go on with
        return 200, error.partial.decode()


def uploaded(app: App, name: str, content: bytes) -> tuple[int, str]:
    head = f'--x\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'.encode()
    kind = "multipart/form-data; boundary=x"
    return asked(f"{app.url}/gradio_api/upload", head + content + b"\r\n--x--\r\n", Content_Type=kind)


def with_question(app: App) -> list[int]:
    """The functions that take what the page asks."""
    with urllib.request.urlopen(f"{app.url}/config", timeout=20) as answer:
        config = json.load(answer)
    (question,) = (each["id"] for each in config["components"] if each["type"] == "json")
    return [each["id"] for each in config["dependencies"] if each["inputs"] == [question]]


@pytest.mark.parametrize("space", ["scripted", "image_space"])
def test_what_is_no_question_of_the_page_is_refused_by_each_function(
    request: pytest.FixtureRequest, site: tuple[str, list[str]], space: str
) -> None:
    app = request.getfixturevalue(space)
    found = with_question(app)
    assert len(found) == 2
    for function in found:
        for change in CHANGES:
            question = json.loads(json.dumps({**QUESTION, **change}).replace("SITE", site[0]))
            answer = page_call(app, function, [question], event_data={"index": 0, "value": "x"})
            told = answer["output"].get("error", "")
            assert told == WRONG_VALUES or "images: expected files" in told or "reads text only" in told, change
    assert site[1] == []


@pytest.mark.parametrize("missing", ["id", "message", "sampling"])
def test_a_question_that_lacks_a_part_is_refused(scripted: App, missing: str) -> None:
    question = {name: value for name, value in QUESTION.items() if name != missing}
    for function in with_question(scripted):
        assert page_call(scripted, function, [question])["output"]["error"] == WRONG_VALUES


def test_a_file_in_a_chat_of_text_is_refused(scripted: App) -> None:
    question = {**QUESTION, "images": [vision.upload(Path("/etc/passwd"))]}
    for function in with_question(scripted):
        answer = page_call(scripted, function, [question])
        assert answer["output"]["error"] == "This Space's model reads text only. Leave the images out"


def test_a_reply_never_tells_an_address_that_a_client_gave(
    image_space: App, site: tuple[str, list[str]], tmp_path: Path
) -> None:
    status, told = uploaded(image_space, "cat.png", vision.picture(tmp_path).read_bytes())
    assert status == 200
    file = {**vision.upload(Path(json.loads(told)[0])), "url": site[0], "size": 9, "mime_type": "image/png"}
    answer = page_call(image_space, with_question(image_space)[0], [{**QUESTION, "images": [file]}])
    assert answer["success"]
    assert site[0] not in json.dumps(answer)
    assert site[1] == []


def test_a_function_of_the_browser_alone_is_not_called(scripted: App) -> None:
    found = [each for each in functions(scripted) if not each["backend_fn"]]
    assert len(found) == 4
    for function in found:
        assert page_call(scripted, function["id"], [])["output"]["error"] == WRONG_VALUES


@pytest.mark.parametrize("task", ["chat", "image-chat", "completion"])
def test_every_component_that_a_function_reads_has_a_schema(request: pytest.FixtureRequest, task: str) -> None:
    if task == "completion":
        app = request.getfixturevalue("start")(changes={"task": task}, script="tests/standins/apps/scripted_app.py")
    else:
        app = request.getfixturevalue("scripted" if task == "chat" else "image_space")
    types = {each["id"]: each["type"] for each in json.loads(asked(f"{app.url}/config")[1])["components"]}
    read = {types[block] for each in functions(app) if each["backend_fn"] for block in each["inputs"]}
    assert read == {kind.__name__.lower() for kind in SCHEMAS} | {"api"}


def test_a_text_chat_takes_no_uploads_and_no_huge_bodies(scripted: App) -> None:
    told = asked(f"{scripted.url}/gradio_api/upload", b"x", Content_Type="multipart/form-data; boundary=x")
    assert told == (403, "This Space's model reads text only. Leave the images out")
    told = asked(f"{scripted.url}/gradio_api/run/chat", b"x", Content_Length="9000000")
    assert told[0] == 413


def test_no_client_names_the_root_of_the_page_and_no_other_site_the_server(scripted: App) -> None:
    status, told = asked(f"{scripted.url}/config", X_Forwarded_Host="evil.example")
    assert (status, json.loads(told)["root"]) == (200, scripted.url)
    assert asked(f"{scripted.url}/config", Host="evil.example")[0] == 421


@pytest.mark.parametrize("route", ["file=", "file/", "proxy=", "stream/", "../", "static/", "assets/", "svelte/"])
def test_no_route_serves_a_file_of_the_servers(scripted: App, route: str) -> None:
    for path in (
        "/etc/passwd",
        "../../etc/passwd",
        f"{ROOT}/app.py",
        "app.py",
        "%2e%2e/app.py",
        "http://127.0.0.1:9/x",
    ):
        for prefix in ("gradio_api/", ""):
            status, told = asked(f"{scripted.url}/{prefix}{route}{path}")
            assert status != 200 or "root:" not in told
            assert "import spaces" not in told


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_another_origin_reads_no_answer(scripted: App, origin: str) -> None:
    request = urllib.request.Request(f"{scripted.url}/config", headers={"Origin": origin})
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] is None


NOBODYS = ["x", "..%2f..%2fetc%2fpasswd", "%00", "a" * 5000, "__class__", "%22%3E%3Cscript%3E", "%F0%9F%92%A9"]


@pytest.mark.parametrize("event", NOBODYS, ids=lambda event: event[:20])
def test_an_event_id_that_is_nobodys_tells_nothing(scripted: App, event: str) -> None:
    for route in ("call/chat/", "call/v2/chat/", "queue/data?session_hash="):
        status, told = asked(f"{scripted.url}/gradio_api/{route}{event}")
        assert status in (200, 404)
        assert not re.search(r"Traceback|site-packages|root:|script>", told), told
        assert "complete" not in told


def test_a_stranger_ends_nobodys_reply(scripted: App) -> None:
    said, call, kind = "one two three" * 40, f"{scripted.url}/gradio_api/call/v2/chat", "application/json"
    event = json.loads(asked(call, json.dumps({"message": said}).encode(), Content_Type=kind)[1])["event_id"]
    for function in functions(scripted):
        for stranger in ("x", "", event[::-1]):
            ids = {"session_hash": stranger, "fn_index": function["id"], "event_id": stranger}
            assert asked(f"{scripted.url}/gradio_api/cancel", json.dumps(ids).encode(), Content_Type=kind)[0] in (
                200,
                400,
            )
    assert asked(f"{call}/{event}")[1].endswith(f"event: complete\ndata: {json.dumps([said])}\n\n")


@pytest.mark.parametrize(
    "route",
    ["process_recording", "deep_link?session_hash=x", "proxy=http://127.0.0.1:9/x", "custom_component/a/client/b/c",
     "stream/x/close", "vibe-code", "vibe-edit", "undo-vibe-edit"],
)  # fmt: skip
def test_a_route_that_no_page_uses_is_closed(scripted: App, route: str) -> None:
    for prefix in ("/gradio_api/", "/"):
        for data in (None, b"{}"):
            assert asked(f"{scripted.url}{prefix}{route}", data) == (404, "Not Found")


@pytest.mark.parametrize("link", ["x", "..", "../x", "..%2f..%2fetc", "%00", "a" * 5000, "deep_links", "/etc"])
def test_a_deep_link_brings_nothing_but_the_page(scripted: App, link: str) -> None:
    usual = json.loads(asked(f"{scripted.url}/config")[1])
    status, told = asked(f"{scripted.url}/config?deep_link={link}")
    assert status == 200
    assert {**json.loads(told), "deep_link_state": None} == {**usual, "deep_link_state": None}
    assert json.loads(told)["deep_link_state"] == "invalid"
    assert asked(f"{scripted.url}/?deep_link={link}")[0] == 200


NAMES = [
    "../../../evil.png", "/etc/passwd", "..\\..\\evil.png", "%2e%2e%2fevil.png", "a" * 300 + ".png", ".env", "..", "", "a/b/c.png",
    "<img src=x onerror=hit>.png", "cat.png; x=y", "con.png", "state.json", "page.html", "picture.svg", "\u202egnp.exe",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name[:20])
def test_an_upload_lands_in_a_folder_of_its_own_whatever_it_is_called(image_space: App, name: str) -> None:
    status, told = uploaded(image_space, name, b"<script>hit</script>")
    if status != 200:
        assert status in (400, 422)
        return
    (path,) = json.loads(told)
    folder = Path(json.loads(uploaded(image_space, "cat.png", b"x")[1])[0]).parent.parent
    assert Path(path).parent.parent == folder
    assert re.fullmatch(r"[0-9a-f]{64}", Path(path).parent.name)
    assert re.fullmatch(r"[^/\\<>\x00-\x1f]{1,255}", Path(path).name)
    request = urllib.request.Request(f"{image_space.url}/gradio_api/file={urllib.parse.quote(path)}")
    with urllib.request.urlopen(request, timeout=20) as answer:
        attached = answer.headers["Content-Disposition"].startswith("attachment")
        assert attached or answer.headers["Content-Type"].partition(";")[0] in ("image/png", "application/json")
