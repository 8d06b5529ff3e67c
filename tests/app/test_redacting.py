"""What is sent to the real app, however badly, stays out of its log; the answer is plain, and the next call is served."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
import uuid
from typing import Any

import gradio as gr
import pytest

from streamspace.errors import redacted_trace
from streamspace.web.page.gate import Gate
from streamspace.web.page.redacting import RedactingBlocks
from tests.reply.test_pipeline import CONFIG
from tests.running import App

SECRET = "xylophone-4711"
WRONG_VALUES = 'values: expected as many, and of the kinds, that "Use via API" lists under the page'
DEFECT = "Something went wrong on our side, and it has been logged. Nothing you typed is lost: please try again."
ERROR = {"error": WRONG_VALUES, "duration": 10, "visible": True, "title": "Error"}
MESSAGE = {"role": "user", "content": SECRET}
BAD_VALUES: list[Any] = [
    SECRET, [SECRET], [[SECRET]], {"a": SECRET}, [MESSAGE], [{"role": SECRET, "content": [{"type": "file"}]}],
    [{**MESSAGE, "metadata": SECRET}], {"text": SECRET, "files": [SECRET]}, 10**400, -1, 1e308, None, f"{SECRET}\ud800",
]  # fmt: skip
BAD_BODIES = [
    SECRET, f'"{SECRET}"', f'["{SECRET}"]', f'{{"data": "{SECRET}"}}', f'{{"data": ["{SECRET}"]}}', '{"data": []}',
    f'{{"data": ["{SECRET}", 7]}}', f'{{"message": {{"{SECRET}": 1}}}}', f'{{"{SECRET}": 1}}', "[" * 20_000,
    f'{{"message": "{SECRET}", "history": "{SECRET}", "more": 1}}', f'{{"data": ["{SECRET}\\ud800"]}}',
    f'{{"data": ["{SECRET}"], "session_hash": {{"a": 1}}}}', f'{{"data": ["{SECRET}"], "fn_index": "{SECRET}"}}',
    f'{{"data": ["{SECRET}"], "fn_index": {10**30}, "session_hash": "{SECRET}"}}',
    f'{{"data": ["{SECRET}"], "session_hash": "a", "component_id": "{SECRET}", "fn_name": "{SECRET}"}}',
]  # fmt: skip
PATHS = ["run/chat", "call/chat", "call/v2/chat", "call/none", "call/v2/none", "queue/join", "component_server", "cancel",
         "upload"]  # fmt: skip


def post(app: App, path: str, body: str) -> tuple[int, str]:
    """The status and the text of an answer; those of a call's event, once it has one."""
    asked = urllib.request.Request(
        f"{app.url}/gradio_api/{path}", body.encode("utf-8", "surrogatepass"), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(asked, timeout=20) as answer:
            text = answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    if not path.startswith("call/"):
        return 200, text
    with urllib.request.urlopen(f"{app.url}/gradio_api/{path}/{json.loads(text)['event_id']}", timeout=20) as answer:
        return 200, answer.read().decode()


def page_call(app: App, function: int, values: list[Any], **more: Any) -> dict[str, Any]:
    """What a call as the page makes it comes to."""
    session = uuid.uuid4().hex
    body = {"data": values, "fn_index": function, "session_hash": session, **more}
    assert post(app, "queue/join", json.dumps(body))[0] == 200
    with urllib.request.urlopen(f"{app.url}/gradio_api/queue/data?session_hash={session}", timeout=20) as lines:
        messages = [json.loads(line[5:]) for line in lines if line.startswith(b"data:")]
    return next(message for message in messages if message["msg"] == "process_completed")


def functions(app: App) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{app.url}/config", timeout=20) as answer:
        return json.load(answer)["dependencies"]


@pytest.fixture(autouse=True)
def _discreet(request: pytest.FixtureRequest) -> Any:
    """After each test on the app: nothing of what was sent is in its log, no traceback is, and it still serves."""
    yield
    if "scripted" in request.fixturenames:
        app = request.getfixturevalue("scripted")
        assert SECRET not in app.log
        assert "Traceback" not in app.log
        assert post(app, "call/v2/chat", '{"message": "ping"}')[1].endswith('event: complete\ndata: ["ping"]\n\n')


def test_too_few_values_are_refused_by_each_function_of_the_page(scripted: App) -> None:
    asked = [function for function in functions(scripted) if function["inputs"]]
    assert len(asked) == 3
    for function in asked:
        values = [SECRET] * (len(function["inputs"]) - 1)
        answer = page_call(scripted, function["id"], values)
        assert not answer["success"]
        assert answer["output"]["error"] == WRONG_VALUES


@pytest.mark.parametrize("value", BAD_VALUES, ids=lambda value: repr(value)[:30])
def test_values_of_a_wrong_kind_get_a_plain_error(scripted: App, value: Any) -> None:
    answers = [
        page_call(scripted, function["id"], [value] * len(function["inputs"]), event_data=value)
        for function in functions(scripted)
    ]
    errors = {answer["output"]["error"] for answer in answers if not answer["success"]}
    assert WRONG_VALUES in errors
    assert DEFECT not in errors
    (told,) = errors - {WRONG_VALUES}  # by the API's function, which says more
    assert re.match(r"(message|max_new_tokens): expected |This text holds half of a character", told)


@pytest.mark.parametrize("path", PATHS)
def test_bodies_of_any_kind_get_a_plain_answer(scripted: App, path: str) -> None:
    for body in BAD_BODIES:
        status, text = post(scripted, path, body)
        assert "Traceback" not in text
        assert "site-packages" not in text
        assert status in (200, 400, 403, 404, 413, 422) or json.loads(text) == {"detail": DEFECT}


@pytest.mark.parametrize("way", ["call", "call/v2", "run", "api"])
def test_a_function_that_there_is_not_is_told_as_such(scripted: App, way: str) -> None:
    before = scripted.log
    status, text = post(scripted, f"{way}/none", f'{{"data": ["{SECRET}"]}}')
    assert (status, json.loads(text)) == (404, {"detail": "api_name: expected /chat, got 'none'"})
    assert scripted.log == before


@pytest.mark.parametrize("arguments", ["{}", f'{{"message": "hi", "{SECRET}": 1}}'])
def test_an_argument_by_name_that_is_missing_or_unknown_is_the_callers_fault(scripted: App, arguments: str) -> None:
    before = scripted.log
    status, text = post(scripted, "call/v2/chat", arguments)
    assert (status, json.loads(text)) == (422, {"detail": WRONG_VALUES})
    assert scripted.log == before


@pytest.mark.parametrize("wrong", ["1e999", f'"{SECRET}\\ud800"'])
def test_a_wrong_body_that_no_answer_could_quote_is_the_callers_fault(scripted: App, wrong: str) -> None:
    before = scripted.log
    assert post(scripted, "run/chat", f'{{"message": {wrong}}}') == (
        422,
        json.dumps({"detail": WRONG_VALUES}, separators=(",", ":")),
    )
    assert scripted.log == before


@pytest.mark.parametrize(
    "said", ['"message": "%s"', '"message": "hi", "system_prompt": "%s"', '"message": "hi", "history": [{"%s": 1}]',
             '"message": "hi", "history": [{"role": "user", "content": [{"type": "text", "text": "%s"}]}]'],
)  # fmt: skip
def test_half_of_a_character_is_the_callers_fault(scripted: App, said: str) -> None:
    text = post(scripted, "call/v2/chat", "{" + said % f"{SECRET}\\ud800" + "}")[1]
    assert "This text holds half of a character (a lone surrogate), which no model can read. Remove it" in text


@pytest.mark.parametrize("way", ["run", "api"])
def test_a_call_past_the_queue_is_told_of_the_queue(scripted: App, way: str) -> None:
    status, text = post(scripted, f"{way}/chat", json.dumps({"data": [SECRET]}))
    assert (status, text.count("Please join the queue to use this API")) == (404, 1)


def test_a_missing_argument_is_refused_with_what_was_expected(scripted: App) -> None:
    text = post(scripted, "call/chat", json.dumps({"data": [SECRET]}))[1]
    assert text == f"event: error\ndata: {json.dumps(ERROR)}\n\n"


async def test_what_a_component_says_of_a_value_is_told_and_not_printed() -> None:
    def refuse(value: object) -> None:
        raise gr.Error("Value 9 is greater than 1.")

    with RedactingBlocks(Gate(CONFIG)) as page:
        gr.api(refuse)
    with pytest.raises(gr.Error) as caught:
        await page.process_api(0, [9])
    assert caught.value.message == "Value 9 is greater than 1."
    assert not caught.value.print_exception


def test_the_place_of_a_defect_is_told_with_its_causes_and_without_what_it_says() -> None:
    try:
        try:
            int(SECRET)
        except ValueError as error:
            raise KeyError(SECRET) from error
    except KeyError as error:
        told = redacted_trace(error)
    name = "test_the_place_of_a_defect_is_told_with_its_causes_and_without_what_it_says"
    first, cause = told.split("; after ")
    assert first.startswith("KeyError at app/test_redacting.py:")
    assert cause.startswith("ValueError at app/test_redacting.py:")
    assert first.endswith(f" {name}")
    assert SECRET not in told
