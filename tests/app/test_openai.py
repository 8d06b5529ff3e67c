"""The real app by OpenAI's API, through the clients that people use."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any, Literal

import openai
import pydantic
import pytest
from PIL import Image

from streamspace.model.loading import Loaded
from tests.app.test_hostile_calls import QUESTION, with_question
from tests.app.test_redacting import page_call
from tests.conftest import Probe
from tests.reply.test_account import LINE
from tests.running import App
from tests.standins import vision

LONG = "Count to two hundred"
CUT = "One reply, cut in the middle of a word, and then it goes on to its end.\n\n- with\n- a list"


def client(app: App, **settings: Any) -> openai.OpenAI:
    """A client, once the app's model is loaded."""
    loaded(app)
    return openai.OpenAI(base_url=f"{app.url}/v1", api_key="none", max_retries=0, **settings)


def loaded(app: App, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with suppress(urllib.error.HTTPError), urllib.request.urlopen(f"{app.url}/readyz", timeout=10):
            return
        time.sleep(0.1)


def user(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def test_a_reply_comes_whole_and_as_a_stream_with_its_usage(app: App) -> None:
    with client(app) as found:
        whole = found.chat.completions.create(model="tiny", messages=user("What is ZeroGPU?"))
        chunks = list(
            found.chat.completions.create(
                model="tiny", messages=user("What is ZeroGPU?"), stream=True, stream_options={"include_usage": True}
            )
        )
    choice = whole.choices[0]
    assert (choice.message.role, choice.finish_reason) == ("assistant", "stop")
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == choice.message.content
    assert len(chunks) > 5
    assert chunks[-1].usage == whole.usage
    assert whole.usage
    assert whole.usage.prompt_tokens > 10
    assert whole.usage.completion_tokens > 10


def test_a_reply_is_the_one_that_gradios_api_gives(app: App) -> None:
    from gradio_client import Client

    other = Client(app.url, verbose=False)
    with client(app) as found:
        said = found.chat.completions.create(model="tiny", messages=user("What is ZeroGPU?"), temperature=0)
    assert said.choices[0].message.content == other.predict("What is ZeroGPU?", temperature=0, api_name="/chat")
    other.close()


def test_a_reply_ends_at_its_length_and_at_a_stop_string(app: App) -> None:
    with client(app) as found:
        one = found.chat.completions.create(model="tiny", messages=user(LONG), max_tokens=1)
        cut = found.chat.completions.create(model="tiny", messages=user(LONG), stop=["7", "5"])
    assert (one.choices[0].finish_reason, one.usage and one.usage.completion_tokens) == ("length", 1)
    assert cut.choices[0].finish_reason == "stop"
    assert str(cut.choices[0].message.content).endswith("4, ")


def test_the_clients_helper_for_streams_gathers_the_same_text(scripted: App) -> None:
    with client(scripted) as found, found.chat.completions.stream(model="tiny", messages=user("steady")) as stream:
        for _ in stream:
            pass
        said = stream.get_final_completion().choices[0].message.content
    assert str(said).startswith("A reply of some length")


async def test_replies_at_once_are_not_mixed_up(scripted: App) -> None:
    texts = [f"{number} " * 50 for number in range(16)]
    async with openai.AsyncOpenAI(base_url=f"{scripted.url}/gradio_api/v1", api_key="none") as found:

        async def ask(text: str) -> str:
            chunks = await found.chat.completions.create(model="tiny", messages=user(text), stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in chunks])

        assert await asyncio.gather(*map(ask, texts)) == texts


def test_thoughts_are_apart_and_a_cut_reply_is_gone_on_with(scripted: App) -> None:
    with client(scripted) as found:
        thought = found.chat.completions.create(model="tiny", messages=user("think")).choices[0].message
        assert (thought.content, thought.reasoning_content) == ("The answer is 3.", "Let me see.")  # type: ignore[attr-defined]
        first = found.chat.completions.create(model="tiny", messages=user("cut")).choices[0]
        assert first.finish_reason == "length"
        begun = {"role": "assistant", "content": first.message.content}
        rest = found.chat.completions.create(model="tiny", messages=[*user("cut"), begun]).choices[0]
    assert f"{first.message.content}{rest.message.content}" == CUT


def test_a_refusal_is_the_clients_own_error(scripted: App) -> None:
    with client(scripted) as found:
        with pytest.raises(openai.BadRequestError) as caught:
            found.chat.completions.create(model="tiny", messages=user("hi"), n=2)
        assert (caught.value.param, caught.value.code) == ("n", "unsupported_parameter")
        with pytest.raises(openai.NotFoundError) as missing:
            found.chat.completions.create(model="gpt-4", messages=user("hi"))
        assert missing.value.code == "model_not_found"
        with pytest.raises(openai.APIError, match="the device is on fire"):
            list(found.chat.completions.create(model="tiny", messages=user("bad"), stream=True))
        assert found.chat.completions.create(model="tiny", messages=user("and now?"))
        assert [model.id for model in found.models.list()] == ["tiny"]


class City(pydantic.BaseModel):
    """An answer by a schema, as the client's own helper makes it."""

    model_config = pydantic.ConfigDict(extra="forbid")
    country: Literal["France", "Spain"]
    people: int = pydantic.Field(ge=1, le=99)
    capital: bool
    districts: list[Literal["north", "south"]] = pydantic.Field(max_length=2)


def test_an_answer_follows_the_clients_schema(app: App) -> None:
    with client(app) as found:
        asked: dict[str, Any] = {"model": "tiny", "messages": user("Describe Paris in JSON.")}
        parsed = [
            found.chat.completions.parse(**asked, response_format=City, seed=seed).choices[0].message.parsed
            for seed in range(2)
        ]
        described = {"name": "city", "schema": City.model_json_schema(), "strict": True}
        form: Any = {"type": "json_schema", "json_schema": described}
        chunks = found.chat.completions.create(**asked, response_format=form, stream=True)
        streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        several = found.chat.completions.create(**asked, response_format={"type": "json_object"}, max_tokens=80)
    assert all(isinstance(each, City) for each in parsed)
    assert City.model_validate_json(streamed)
    written = several.choices[0]
    assert written.message.content
    assert written.message.content.startswith("{")
    assert written.finish_reason == "length" or json.loads(written.message.content)


def test_how_likely_each_token_was_comes_whole_and_as_a_stream(app: App) -> None:
    asked: Any = {"model": "tiny", "messages": user("What is ZeroGPU?"), "temperature": 0, "logprobs": True}
    with client(app) as found:
        whole = found.chat.completions.create(**asked, top_logprobs=2).choices[0]
        with found.chat.completions.stream(**asked, top_logprobs=2) as stream:
            streamed = stream.get_final_completion().choices[0]
    assert whole.logprobs
    assert whole.logprobs.content
    assert b"".join(bytes(each.bytes or []) for each in whole.logprobs.content).decode() == whole.message.content
    assert all(each.logprob == each.top_logprobs[0].logprob <= 0 for each in whole.logprobs.content)
    assert streamed.logprobs
    assert streamed.logprobs.content == whole.logprobs.content


WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a place.",
        "parameters": {"type": "object", "properties": {"city": {"enum": ["Paris", "Rome"]}}, "required": ["city"]},
    },
}


def test_a_call_that_has_to_be_comes_and_its_result_goes_back(app: App) -> None:
    asked = user("What is the weather in Paris?")
    with client(app) as found:
        said: Any = [
            found.chat.completions.create(model="tiny", messages=asked, tools=[WEATHER], tool_choice=choice).choices[0]
            for choice in ("required", {"type": "function", "function": {"name": "weather"}})
        ]
        with found.chat.completions.stream(
            model="tiny", messages=asked, tools=[WEATHER], tool_choice="required"
        ) as stream:
            said.append(stream.get_final_completion().choices[0])
        free = found.chat.completions.create(model="tiny", messages=user("What is ZeroGPU?"), tools=[WEATHER])
        call = said[0].message.tool_calls[0]
        results: Any = [said[0].message, {"role": "tool", "tool_call_id": call.id, "content": "It rains."}]
        told = found.chat.completions.create(model="tiny", messages=[*asked, *results], tools=[WEATHER]).choices[0]
        short = found.chat.completions.create(
            model="tiny", messages=asked, tools=[WEATHER], tool_choice="required", max_tokens=40
        )
    assert short.choices[0].finish_reason == "tool_calls"  # no tokens went into blanks
    for each in said:
        assert each.finish_reason == "tool_calls"
        assert [one.function.name for one in each.message.tool_calls] == ["weather"]
        assert json.loads(each.message.tool_calls[0].function.arguments)["city"] in ("Paris", "Rome")
    assert free.choices[0].message.content
    assert (told.finish_reason in ("stop", "length"), bool(told.message.content)) == (True, True)


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_stops_the_model(app: App, probe: Probe, stream: bool) -> None:
    async with openai.AsyncOpenAI(base_url=f"{app.url}/v1", api_key="none", max_retries=0) as found:
        with probe.set("slow", "0.02"):
            before = probe.steps
            asking = found.chat.completions.create(model="tiny", messages=user(LONG), max_tokens=1024, stream=stream)
            if stream:
                async with aclosing(await asking) as chunks:  # type: ignore[type-var]
                    async for _ in chunks:
                        break
            else:
                task = asyncio.ensure_future(asking)
                while probe.steps - before < 5:
                    await asyncio.sleep(0.02)
                task.cancel()
            left = time.time()
            await asyncio.sleep(1.5)
            assert probe.since(left + 0.5) == 0
            assert probe.steps - before < 60


def test_curl_streams(scripted: App) -> None:
    curl = shutil.which("curl")
    if not curl:
        pytest.skip("no curl")
    body = json.dumps({"messages": user("hello from curl"), "stream": True})
    done = subprocess.run(
        [curl, "-sN", f"{scripted.url}/v1/chat/completions", "-H", "Content-Type: application/json", "-d", body],
        capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if line]
    assert lines[-1] == "data: [DONE]"
    pieces = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
    texts = [choice["delta"].get("content") or "" for piece in pieces for choice in piece["choices"]]
    assert "".join(texts) == "hello from curl"


def test_a_completion_space_continues_a_text(start: Callable[..., App]) -> None:
    with client(start(changes={"task": "completion"})) as found:
        whole = found.completions.create(model="tiny", prompt="A Space is", max_tokens=24, seed=1)
        chunks = list(found.completions.create(model="tiny", prompt="A Space is", max_tokens=24, seed=1, stream=True))
        assert whole.choices[0].text == "".join(chunk.choices[0].text for chunk in chunks)
        assert whole.choices[0].text.strip()
        with pytest.raises(openai.BadRequestError, match="Send requests to /v1/completions"):
            found.chat.completions.create(model="tiny", messages=user("hi"))


def test_a_config_closes_this_door(start: Callable[..., App]) -> None:
    app = start(changes={"doors": {"openai": False}}, script="tests/standins/apps/scripted_app.py")
    with client(app) as found, pytest.raises(openai.NotFoundError):
        found.chat.completions.create(model="tiny", messages=user("hi"))


def picture(path: Path) -> dict[str, Any]:
    content = base64.b64encode(path.read_bytes()).decode()
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{content}"}}


def test_images_come_inside_a_message(image_space: App, vision_loaded: Loaded, tmp_path: Path) -> None:
    path = vision.picture(tmp_path, color="green")
    parts = [picture(path), {"type": "text", "text": vision.ASK}]
    with client(image_space) as found:
        said = found.chat.completions.create(
            model="any", messages=[{"role": "user", "content": parts}], max_tokens=60, extra_body={"model": None}
        )  # type: ignore[call-overload]
        with Image.open(path) as shown:
            assert said.choices[0].message.content == vision.plain(vision_loaded, [shown.copy()], vision.ASK)
        for url, told in {
            "https://example.com/cat.png": "this server fetches nothing, got 'https://example.com/cat.png'",
            "/etc/passwd": "this server fetches nothing, got '/etc/passwd'",
            "data:image/png;base64,*": "The image 'image-1.png' is damaged",
            "data:image/png;base64,AAAA": "'image-1.png' is not an image that can be read here",
        }.items():
            bad = [{"type": "image_url", "image_url": {"url": url}}, parts[1]]
            with pytest.raises(openai.BadRequestError, match=told):
                found.chat.completions.create(
                    model="any", messages=[{"role": "user", "content": bad}], extra_body={"model": None}
                )  # type: ignore[call-overload]


def test_no_prompt_reaches_the_log(app: App) -> None:
    secret = "xylophone-4711"
    with client(app) as found:
        found.chat.completions.create(model="tiny", messages=user(secret), max_tokens=2)
        for body in ({"temperature": secret}, {"extra_body": {secret: secret, "n": 2}}, {"model": secret}):
            with pytest.raises(openai.APIStatusError):
                found.chat.completions.create(messages=user(secret), **{"model": "tiny", **body})  # type: ignore[call-overload]
    assert secret not in app.log
    assert "Traceback" not in app.log


def test_each_door_leaves_one_line_in_the_log_without_an_address(scripted: App) -> None:
    from gradio_client import Client

    before = len(replies(scripted))
    with client(scripted) as found:
        said = found.chat.completions.create(model="tiny", messages=user("xylophone-4711"))
        with pytest.raises(openai.BadRequestError):
            found.chat.completions.create(model="tiny", messages=user("xylophone-4711"), n=2)
        with pytest.raises(openai.BadRequestError):
            found.chat.completions.create(model="tiny", messages=[{"role": "assistant", "content": "xylophone-4711"}])
    other = Client(scripted.url, verbose=False)
    other.predict("xylophone-4711", api_name="/chat")
    other.close()
    whole, refused, no_question, gradio = replies(scripted)[before:]
    assert f"chatcmpl-{whole['id']}" == said.id
    assert [line["door"] for line in (whole, refused, no_question, gradio)] == ["openai"] * 3 + ["gradio"]
    assert [line["outcome"] for line in (whole, refused, no_question, gradio)] == ["done", "refused", "refused", "done"]
    assert len({line["visitor"] for line in (whole, refused, no_question, gradio)}) == 1
    assert re.fullmatch("[0-9a-f]{8}", whole["visitor"])
    assert "xylophone" not in scripted.log


def test_a_visitor_who_had_enough_is_told_so_by_each_door_in_its_own_form(start: Callable[..., App]) -> None:
    from gradio_client import Client
    from gradio_client.exceptions import AppError

    app = start(changes={"limits.per_minute": 2}, script="tests/standins/apps/scripted_app.py")
    told = r"Messages that this Space takes from one visitor in a minute: 2\. Try again in (\d+) s"
    other = Client(app.url, verbose=False)
    with client(app) as found:
        assert found.chat.completions.create(model="tiny", messages=user("hi"), stream=False).choices
        assert other.predict("hi", api_name="/chat") == "hi"
        for stream in (True, False):
            with pytest.raises(openai.RateLimitError, match=told) as limited:
                found.chat.completions.create(model="tiny", messages=user("hi"), stream=stream)
            assert (limited.value.type, limited.value.code) == ("rate_limit_error", "rate_limit_exceeded")
            assert 50 <= int(limited.value.response.headers["Retry-After"]) <= 61
        assert found.models.list().data
    with pytest.raises(AppError, match=told):
        other.predict("hi", api_name="/chat")
    other.close()
    shown = page_call(app, with_question(app)[0], [QUESTION])["output"]["data"][0]
    assert shown["state"] == "failed"
    assert re.fullmatch(told, shown["error"])
    assert [(line["door"], line["outcome"]) for line in replies(app)] == [
        ("openai", "done"), ("gradio", "done"), ("openai", "limited"), ("openai", "limited"),
        ("gradio", "limited"), ("page", "limited"),
    ]  # fmt: skip


def replies(app: App) -> list[dict[str, str]]:
    """The lines about replies in the app's log, taken apart."""
    return [found.groupdict() for line in app.log.splitlines() if (found := LINE.fullmatch(line))]
