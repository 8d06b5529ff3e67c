"""The real app as a process, driven by the real gradio_client."""

from __future__ import annotations

import itertools
import json
import math
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from gradio_client import Client

from streamspace.reply.bridge import READER_TIMEOUT
from tests.conftest import Probe
from tests.running import ROOT, App, clean

LONG = "Count to two hundred"


@pytest.fixture(scope="module")
def client(app: App) -> Iterator[Client]:
    found = Client(app.url, verbose=False)
    yield found
    found.close()


def refused(client: Client, *values: Any, **named: Any) -> str:
    """The message of a call that is refused, word for word."""
    with pytest.raises(Exception) as caught:  # noqa: PT011  the client's own class
        client.predict(*values, api_name="/chat", **named)
    assert caught.type.__name__ == "AppError"
    return str(caught.value)


def test_the_reply_streams_as_a_growing_text(client: Client) -> None:
    job = client.submit("What is ZeroGPU?", api_name="/chat")
    texts = list(job)
    assert job.exception() is None
    assert len(texts) > 3
    for earlier, later in itertools.pairwise(texts):
        assert later.startswith(earlier)
    assert texts[-1] == client.predict("What is ZeroGPU?", api_name="/chat")


def test_the_history_is_part_of_the_prompt(client: Client, app: App) -> None:
    def ask(*history: Any) -> Any:  # the penalty is on the words of the whole prompt
        return client.predict("What is ZeroGPU?", list(history), repetition_penalty=1.5, api_name="/chat")

    alone = ask()
    assert ask() == alone
    assert ask({"role": "user", "content": "Hello"}, {"role": "assistant", "content": alone}) != alone


def test_every_parameter_has_a_default_and_a_name(client: Client) -> None:
    endpoint = client.view_api(return_format="dict", print_info=False)["named_endpoints"]["/chat"]
    names = [parameter["parameter_name"] for parameter in endpoint["parameters"]]
    assert names == [
        "message", "history", "system_prompt", "max_new_tokens", "temperature", "top_p", "top_k", "repetition_penalty",
        "seed", "thinking", "min_p",
    ]  # fmt: skip
    assert [parameter["parameter_has_default"] for parameter in endpoint["parameters"]] == [False, *[True] * 10]
    defaults = {parameter["parameter_name"]: parameter["parameter_default"] for parameter in endpoint["parameters"][1:]}
    assert defaults == dict.fromkeys(names[1:])
    types = {parameter["parameter_name"]: parameter["python_type"]["type"] for parameter in endpoint["parameters"]}
    assert types == {
        "message": "str", "history": "None | list[dict(str, Any)]", "system_prompt": "None | str",
        "max_new_tokens": "None | int", "temperature": "None | float", "top_p": "None | float", "top_k": "None | int",
        "repetition_penalty": "None | float", "seed": "None | int", "thinking": "bool | str | None", "min_p": "None | float",
    }  # fmt: skip
    assert endpoint["description"] == (
        'Reply to a message that comes after a history of {"role", "content"} messages; streams the text so far. '
        "Whatever the model writes, its thoughts come first, between <think> and </think>, each on a line of its own, "
        "then an empty line and the answer; a tool call between <tool_call> and </tool_call>. Such a text can be sent "
        "back in the history: its thoughts are left out. `thinking` is true, false, or a level that the model has, "
        'such as "low".'
    )


def test_a_seed_reproduces_a_sampled_reply(client: Client) -> None:
    def once(seed: int) -> Any:
        return client.predict("Zq xv 語?", temperature=1.5, top_p=1, seed=seed, max_new_tokens=32, api_name="/chat")

    assert once(5) == once(5)
    assert len({once(seed) for seed in range(8)}) > 1


def test_a_min_p_of_1_leaves_the_most_likely_token_only(client: Client) -> None:
    def once(**named: Any) -> Any:
        return client.predict("Zq xv 語?", top_p=1, max_new_tokens=32, api_name="/chat", **named)

    assert len({once(temperature=1.5, seed=seed) for seed in range(8)}) > 1
    assert {once(temperature=1.5, seed=seed, min_p=1) for seed in range(8)} == {once(temperature=0)}


def test_the_longest_reply_is_what_was_asked(client: Client) -> None:
    short = client.predict(LONG, max_new_tokens=16, api_name="/chat")
    assert 0 < len(short) < len(client.predict(LONG, max_new_tokens=64, api_name="/chat"))


@pytest.mark.parametrize(
    ("values", "named", "message"),
    [
        ([""], {}, "Write a message first: this one is empty"),
        (["  \n"], {}, "Write a message first: this one is empty"),
        (["x" * 4001], {}, "This message is too long: 4,001 characters, and this Space takes 4,000. Shorten it"),
        (["hi"], {"temperature": 9}, "temperature: expected a number from 0 to 1.5, got 9"),
        (["hi"], {"max_new_tokens": 10**6}, "max_new_tokens: expected a whole number from 16 to 1024, got 1e+06"),
        (["hi"], {"min_p": 2}, "min_p: expected a number from 0 to 1, got 2"),
        (["hi"], {"top_p": "most"}, "top_p: expected a number from 0.05 to 1, got 'most'"),
        (["hi"], {"seed": -4}, "seed: expected a whole number from 0 to 2147483647, or none, got '-4'"),
        (["hi", "hello"], {}, "history: expected a list of messages, got a value of type str"),
        (["hi", [{"role": "system", "content": "obey"}]], {},
         "history[0].role: expected 'user' or 'assistant', got 'system'. Instructions go into system_prompt"),
        ([7], {}, "message: expected text, got a value of type int"),
        (["hi"], {"system_prompt": 7}, "System prompt (system_prompt): expected text of at most 4,000 characters. Shorten it"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_in_exact_words_and_the_next_request_works(
    client: Client, values: list[Any], named: dict[str, Any], message: str
) -> None:
    assert refused(client, *values, **named) == message
    assert client.predict("Hello", api_name="/chat")


def test_a_call_that_nobody_reads_is_ended(client: Client, app: App, probe: Probe) -> None:
    client.predict("Hello", api_name="/chat")  # it is loaded then
    body = json.dumps({"message": LONG, "max_new_tokens": 1024}).encode()
    call = urllib.request.Request(f"{app.url}/gradio_api/call/v2/chat", body, {"Content-Type": "application/json"})
    with probe.set("slow", "0.25"):
        before, began = probe.steps, time.time()
        with urllib.request.urlopen(call, timeout=10) as answer:
            event = json.load(answer)["event_id"]
        time.sleep(READER_TIMEOUT + 4)
        assert probe.steps > before
        assert probe.since(began + READER_TIMEOUT + 3) == 0
    with urllib.request.urlopen(f"{app.url}/gradio_api/call/v2/chat/{event}", timeout=30) as answer:
        assert "Nobody read this reply for 20 seconds, so it was ended" in answer.read().decode()


def test_a_full_queue_has_one_answer(start: Callable[..., App]) -> None:
    app = start(changes={"limits.concurrency": 2, "limits.queue": 2}, script="tests/standins/apps/scripted_app.py")
    found = Client(app.url, verbose=False)
    jobs = [found.submit("steady", api_name="/chat") for _ in range(60)]
    errors = [str(job.exception(timeout=60) or "") for job in jobs]
    assert set(errors) == {"", "This Space is busy, and its queue of 2 is full. Try again in a moment"}
    assert errors.count("") >= 4
    found.close()


def test_every_call_waits_in_the_queue_that_tells_its_position(start: Callable[..., App]) -> None:
    app = start(changes={"limits.concurrency": 1, "limits.queue": 50}, script="tests/standins/apps/scripted_app.py")
    call = urllib.request.Request(
        f"{app.url}/gradio_api/call/v2/chat", b'{"message": "steady"}', {"Content-Type": "application/json"}
    )
    for _ in range(60):
        urllib.request.urlopen(call, timeout=10).close()
    until, waiting = time.monotonic() + 10, 0
    while waiting < 50 and time.monotonic() < until:
        with urllib.request.urlopen(f"{app.url}/health", timeout=10) as answer:
            waiting = json.load(answer)["waiting"]
    assert waiting == 50


def test_nan_is_refused(app: App) -> None:
    """A client in JSON can't send NaN; one that writes its own bytes can, as Python's json reads them."""
    body = b'{"data": ["hi", null, null, null, NaN, null, null, null, null, true, null]}'
    call = urllib.request.Request(f"{app.url}/gradio_api/call/chat", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(call, timeout=10) as answer:
        event = answer.read().decode().split('"')[3]
    with urllib.request.urlopen(f"{app.url}/gradio_api/call/chat/{event}", timeout=30) as answer:
        assert f"temperature: expected a number from 0 to 1.5, got {math.nan}" in answer.read().decode()


def test_a_prompt_of_too_many_tokens_is_refused(client: Client) -> None:
    said = refused(client, "語" * 3000)
    assert said.startswith("This message is too long: ")
    assert said.endswith("Shorten it, or lower the maximum reply length (max_new_tokens)")


def test_an_exception_of_the_model_is_told_and_not_quoted_and_the_next_request_works(
    client: Client, app: App, probe: Probe
) -> None:
    with probe.set("fail", "the device is on fire"):
        assert refused(client, "Hello") == (
            "The model failed while it was answering. Try again; the Space's log has the details"
        )
    assert client.predict("Hello", api_name="/chat")
    assert "The model failed while it was answering: RuntimeError at apps/probe.py:" in app.log
    assert "on fire" not in app.log


def test_cancelling_a_job_stops_the_model(client: Client, probe: Probe) -> None:
    """Counted here with the cancel's own round trip; `test_reply` counts from its arrival."""
    with probe.set("slow", "0.05"):
        job = client.submit(LONG, max_new_tokens=1024, api_name="/chat")
        while len(job.outputs()) < 5:
            time.sleep(0.02)
        before = probe.steps
        job.cancel()
        assert probe.settled() - before <= 40


def test_no_prompt_reaches_the_log(client: Client, app: App) -> None:
    secret = "xylophone-4711"
    client.predict(f"Hello {secret}", api_name="/chat")
    refused(client, f"{secret} " * 400)
    refused(client, "hi", temperature=9, system_prompt=secret)
    assert secret not in app.log
    assert "Traceback" not in app.log


def test_a_completion_space_streams_too(start: Callable[..., App]) -> None:
    running = start(changes={"task": "completion"})
    client = Client(running.url, verbose=False)
    job = client.submit("A Space is", max_new_tokens=24, api_name="/complete")
    texts = list(job)
    assert job.exception() is None
    assert len(texts) > 2
    assert texts[-1].startswith(texts[-2])
    assert texts[-1].strip()
    with pytest.raises(Exception, match="Write a message first: this one is empty"):
        client.predict("", api_name="/complete")
    client.close()


def run_app(**env: str) -> subprocess.CompletedProcess[str]:
    import os

    return subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        env={**clean(os.environ), **env},
    )


def test_a_missing_config_ends_the_app_with_what_to_do() -> None:
    done = run_app(SPACE_CONFIG="tinny")
    assert done.returncode == 2
    assert done.stderr.startswith("tinny: expected a config file, found none. Give a path, or one of config/: ")
    assert "Traceback" not in done.stderr


def test_a_port_in_use_ends_the_app_with_what_to_do(app: App) -> None:
    done = run_app(SPACE_CONFIG="tiny", GRADIO_SERVER_PORT=str(app.port))
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        f"Port {app.port} is in use. End the program that uses it, or choose another: make run PORT=7870"
    )
