"""The stand-in behaves towards the real `spaces` package as ZeroGPU does; a demo app is driven through its own API."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client.client import Job
from gradio_client.exceptions import AppError

from tests.standins.zerogpu.device_api import DeviceAPI
from tests.standins.zerogpu.harness import ZeroSpace, zero_space
from tests.standins.zerogpu.rules import ANONYMOUS, Rules, Visitor, visitor_token

DEMO = Path(__file__).parent / "zerogpu" / "demo_app.py"
ADA = visitor_token("ada")
PRO = "Subscribe to Hugging Face PRO to get 40 min of ZeroGPU quota a day - https://huggingface.co/subscribe/pro?from=ZeroGPU"


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def eventually(true: Callable[[], bool], timeout: float = 5.0) -> bool:
    deadline = time.monotonic() + timeout
    while not (done := true()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return done


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZeroSpace]:
    with DeviceAPI() as api:
        with zero_space(DEMO, api=api, folder=tmp_path_factory.mktemp("demo")) as space:
            assert api.asked("/startup-report") == [{}]
            yield space
        assert eventually(lambda: not any(is_running(pid) for pid in api.pids)), "workers outlived the app"


@pytest.fixture
def space(running: ZeroSpace) -> Iterator[ZeroSpace]:
    running.api.reset()
    yield running
    running.api.evict()


def talk(
    space: ZeroSpace,
    token: str | None = ADA,
    *,
    steps: int = 8,
    pause: float = 0.0,
    seconds: float = 30,
    trouble: str = "",
    browser: bool = False,
    at: str = "/talk",
) -> Job:
    return space.client(token, browser=browser).submit(steps, pause, seconds, trouble, api_name=at)


def ids(job: Job) -> list[int]:
    return json.loads(job.result(timeout=20))


def autopsy(space: ZeroSpace, *args: Any, **settings: Any) -> dict[str, Any]:
    """The error that reached the caller of the GPU function, on the host."""
    found = json.loads(talk(space, *args, at="/autopsy", **settings).result(timeout=20))
    return {name: found.get(name) for name in ("class", "title", "message")}


def zero_error(title: str, message: str) -> dict[str, Any]:
    return {"class": "gradio.exceptions.Error", "title": title, "message": message}


# -- a call that goes well ---------------------------------------------------------------------------------------------


def test_worker_streams_what_the_model_says_without_zerogpu(space: ZeroSpace) -> None:
    expected = json.loads(space.client().predict(api_name="/reference"))["ids"]
    assert len(set(expected)) > 4
    job = talk(space, pause=0.02)
    assert ids(job) == expected
    assert [json.loads(text) for text in job.outputs()] == [expected[:n] for n in range(1, 9)]
    (asked,) = space.api.asked("/schedule")
    assert (asked["durationSeconds"], asked["enableQueue"]) == ("30", "true")
    assert [call["fail"] for call in space.api.asked("/release")] == ["false"]


def test_second_call_reuses_the_warm_worker(space: ZeroSpace) -> None:
    for _ in range(3):
        assert len(ids(talk(space))) == 8
    assert len(space.api.asked("/schedule")) == len(space.api.asked("/release")) == 3
    assert len(space.api.asked("/allow")) == 1


def test_worker_that_was_killed_while_idle_is_replaced(space: ZeroSpace) -> None:
    ids(talk(space))
    space.api.evict()
    assert len(ids(talk(space))) == 8
    assert len(space.api.asked("/allow")) == 2


def test_visitor_token_arrives_at_schedule(space: ZeroSpace) -> None:
    ids(talk(space, ADA))
    ids(talk(space, None))
    first, second = space.api.asked("/schedule")
    assert first["token"] == ADA
    assert "token" not in second


def test_visitor_is_charged_for_the_seconds_used(space: ZeroSpace) -> None:
    space.api.rules.visitors[ADA] = visitor = Visitor(left=40)
    ids(talk(space, steps=3, pause=0.2))
    assert 30 < visitor.left < 39.5  # about 0.6 of the 30 s asked for


def test_two_cards_serve_two_calls_at_once_in_two_workers(space: ZeroSpace) -> None:
    space.api.rules.gpus = 2
    for _ in range(2):
        jobs = [talk(space, pause=0.1), talk(space, pause=0.1)]
        assert [len(ids(job)) for job in jobs] == [8, 8]
    first, second = space.api.wait_for("/allow", 2)
    assert first["pid"] != second["pid"]
    assert len(space.api.asked("/allow")) == 2  # both were warm for the second pair
    started = [call.at for call in space.api.calls if call.path == "/schedule"]
    released = [call.at for call in space.api.calls if call.path == "/release"]
    assert started[1] < released[0]


# -- the queue ---------------------------------------------------------------------------------------------------------


def test_call_waits_in_the_queue_while_the_card_is_busy(space: ZeroSpace) -> None:
    first = talk(space, pause=0.1)
    space.api.wait_for("/allow")
    second = talk(space)
    space.api.wait_for("/schedule", 2)
    assert second.outputs() == []
    assert len(ids(second)) == len(ids(first)) == 8
    assert [call.path for call in space.api.calls] == ["/schedule", "/allow", "/schedule", "/release", "/release"]


def test_call_whose_queue_breaks_off_is_tried_once_more(space: ZeroSpace) -> None:
    space.api.rules.always_stream, space.api.rules.cut_streams = True, 1
    assert len(ids(talk(space))) == 8
    assert len(space.api.asked("/schedule")) == 2


def test_queue_timeout_reaches_the_caller_with_a_link(space: ZeroSpace) -> None:
    space.api.rules.gpus, space.api.rules.queue_timeout = 0, 0.2
    error = autopsy(space)
    assert error["class"] == "spaces.zero.gradio.HTMLError"
    assert error["title"] == "ZeroGPU queue timeout"
    assert error["message"].startswith("No GPU was available after 60s. <a style=")


def test_visitor_who_closes_the_page_gives_up_the_place_in_the_queue(space: ZeroSpace) -> None:
    first = talk(space, pause=0.2)
    space.api.wait_for("/allow")
    join = {"data": [8, 0, 30, ""], "fn_index": 0, "session_hash": "gone"}
    httpx.post(f"{space.url}/gradio_api/queue/join", json=join).raise_for_status()
    with httpx.stream("GET", f"{space.url}/gradio_api/queue/data", params={"session_hash": "gone"}):
        space.api.wait_for("/schedule", 2)
    assert eventually(lambda: "Connection closed by visitor while queueing" in space.printed())
    assert len(ids(first)) == 8
    space.api.wait_until_idle()
    assert len(space.api.asked("/release")) == 1


# -- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("visitor", "title", "message"),
    [
        (
            Visitor(left=10, wait=4000),
            "ZeroGPU quota exceeded",
            "You have exceeded your free ZeroGPU quota (30s requested vs. 10s left). Try again in 1:06:40. ",
        ),
        (
            Visitor(left=10, auth="pro", wait=90000),
            "ZeroGPU quota exceeded",
            "You have exceeded your Pro ZeroGPU quota (30s requested vs. 10s left). Try again in 1 day, 1:00:00. ",
        ),
        (Visitor(runs_left=0), "ZeroGPU quota exceeded", "You have exceeded your ZeroGPU runs limit. "),
        (
            Visitor(pending_exceeded=True),
            "ZeroGPU pending credits exceeded",
            "You have too many ZeroGPU credits allocated to running tasks. "
            "Try again once some of those tasks have completed.",
        ),
    ],
    ids=["quota", "quota of PRO", "runs", "pending"],
)
def test_refusal_of_a_visitor_reaches_the_browser(space: ZeroSpace, visitor: Visitor, title: str, message: str) -> None:
    space.api.rules.visitors[ADA] = visitor
    assert autopsy(space, browser=True) == zero_error(title, message)
    assert not space.api.asked("/release")


def test_refusal_of_an_api_caller_ends_with_advice(space: ZeroSpace) -> None:
    space.api.rules.visitors[ADA] = Visitor(runs_left=0)
    message = f"You have exceeded your ZeroGPU runs limit. {PRO}"
    assert autopsy(space) == zero_error("ZeroGPU quota exceeded", message)


def test_anonymous_visitors_share_one_bucket(space: ZeroSpace) -> None:
    space.api.rules.visitors[ANONYMOUS] = Visitor(left=10, auth=None)
    message = (
        "Space app has reached its GPU limit. Try re-running outside of examples if it happened after clicking one"
    )
    assert autopsy(space, None) == zero_error("ZeroGPU quota exceeded", message)
    assert len(ids(talk(space, ADA))) == 8


def test_illegal_duration_is_refused(space: ZeroSpace) -> None:
    space.api.rules.max_duration = 20
    message = "The requested GPU duration (30s) is larger than the maximum allowed"
    assert autopsy(space, browser=True) == zero_error("ZeroGPU illegal duration", message)
    assert len(ids(talk(space, seconds=20))) == 8


# -- trouble with the API ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, zero_error("ZeroGPU client error", "Expired ZeroGPU proxy token")),
        (503, zero_error("ZeroGPU client error", "No GPU was available")),
        (
            500,
            {
                "class": "builtins.RuntimeError",
                "title": None,
                "message": "ZeroGPU API /schedule error: 500 (Internal Server Error)",
            },
        ),
    ],
)
def test_status_of_schedule_reaches_the_caller(space: ZeroSpace, status: int, error: dict[str, Any]) -> None:
    space.api.rules.status["/schedule"] = status
    assert autopsy(space) == error


def test_unreachable_api_raises_an_httpx_error(space: ZeroSpace) -> None:
    with space.api.unreachable():
        assert autopsy(space)["class"] == "httpx.ConnectError"
    space.api.rules.hang_up.add("/schedule")
    assert autopsy(space)["class"] == "httpx.RemoteProtocolError"


def test_worker_that_is_not_allowed_fails_the_call(space: ZeroSpace) -> None:
    space.api.rules.status["/allow"] = 500
    assert autopsy(space) == zero_error("ZeroGPU worker error", "AssertionError")


# -- the end of a worker -----------------------------------------------------------------------------------------------


def test_overrun_kills_the_worker_and_the_visitor_reads_aborted(space: ZeroSpace) -> None:
    space.api.rules.visitors[ADA] = visitor = Visitor(left=100)
    job = talk(space, steps=100, pause=0.1, seconds=1)
    with pytest.raises(AppError) as caught:
        job.result(timeout=20)
    assert (caught.value.title, caught.value.message) == ("ZeroGPU worker error", "GPU task aborted")
    assert job.outputs()  # what had arrived is kept
    assert visitor.left == 99
    assert eventually(lambda: not is_running(space.api.pids[-1]))
    assert len(ids(talk(space))) == 8


@pytest.mark.parametrize(
    ("trouble", "title", "message"),
    [
        ("raise", "ZeroGPU worker error", "KeyError"),
        ("gr.Error", "Prompt", "No room left"),
        ("die", "ZeroGPU worker error", "GPU task aborted"),
        ("device", "ZeroGPU worker error", "AssertionError"),
    ],
)
def test_failure_in_the_worker_discards_it(space: ZeroSpace, trouble: str, title: str, message: str) -> None:
    assert autopsy(space, trouble=trouble) == zero_error(title, message)
    assert [call["fail"] for call in space.api.asked("/release")] == ["true"]
    assert eventually(lambda: not is_running(space.api.pids[-1]))
    assert "secret detail" not in message
    ids(talk(space))
    assert len(space.api.asked("/allow")) == 2


def test_system_exit_in_the_worker_looks_like_a_short_answer(space: ZeroSpace) -> None:
    assert len(ids(talk(space, trouble="exit"))) == 2
    assert [call["fail"] for call in space.api.asked("/release")] == ["false"]


def test_cancelled_call_stops_the_worker_and_keeps_it_warm(space: ZeroSpace) -> None:
    job = talk(space, steps=200, pause=0.05)
    assert eventually(lambda: len(job.outputs()) > 1)
    job.cancel()
    assert space.api.wait_for("/release")[0]["fail"] == "false"
    assert len(ids(talk(space))) == 8
    assert len(space.api.asked("/allow")) == 1


# -- the stand-in by itself --------------------------------------------------------------------------------------------


def schedule(api: DeviceAPI, task: int = 1, **params: Any) -> httpx.Response:
    query = {"cgroupPath": "/", "taskId": task, "enableQueue": True, "tokenVersion": 2, "durationSeconds": 40} | params
    return httpx.post(f"{api.url}/schedule", params=query, timeout=5)


def end(api: DeviceAPI, response: httpx.Response, **params: Any) -> int:
    query = {"allowToken": response.json()["allowToken"], "fail": False} | params
    return httpx.post(f"{api.url}/release", params=query, timeout=5).status_code


def test_xlarge_costs_twice() -> None:
    with DeviceAPI() as api:
        api.rules.visitors["eve"] = Visitor(left=79)
        refused = schedule(api, token="eve", gpuSize="xlarge")
        assert (refused.status_code, refused.json()) == (429, {"left": 79, "wait": 3600})
        assert refused.headers["X-Approve-Result"] == "quota-exceeded"
        assert schedule(api, token="eve", gpuSize="large").status_code == 200


def test_running_tasks_reserve_what_they_asked_for() -> None:
    with DeviceAPI() as api:
        api.rules = Rules(gpus=2, visitors={"eve": Visitor(left=70)})
        running = schedule(api, token="eve")
        assert schedule(api, token="eve").json() == {"left": 30, "wait": 3600}
        assert end(api, running) == 200
        assert schedule(api, token="eve").status_code == 200


def test_release_of_an_unknown_task_is_not_found() -> None:
    with DeviceAPI() as api:
        running = schedule(api)
        assert (end(api, running), end(api, running)) == (200, 404)


def test_busy_cards_refuse_a_call_that_will_not_queue() -> None:
    with DeviceAPI() as api:
        schedule(api)
        assert schedule(api, enableQueue=False).status_code == 503
        with pytest.raises(TimeoutError, match="1 tasks run and 0 wait after 0 s"):
            api.wait_until_idle(timeout=0)


def test_queue_names_its_reason_and_serves_in_order() -> None:
    with DeviceAPI() as api:
        api.rules.queuing_reason = "concurrency"
        running = schedule(api)
        url, query = f"{api.url}/schedule", {"cgroupPath": "/", "taskId": 1, "enableQueue": True}
        with httpx.stream("POST", url, params=query) as waiting:
            assert waiting.headers["X-Queuing-Reason"] == "concurrency"
            events = waiting.iter_text()
            assert next(events) == "event: ping\n\n"
            end(api, running)
            assert next(text for text in events if "ping" not in text).startswith("event: succeeded\ndata: {")


def test_caller_who_left_the_queue_gets_no_card() -> None:
    with DeviceAPI() as api:
        api.rules.ping_every = 30
        running = schedule(api)
        query = {"cgroupPath": "/", "taskId": 1, "enableQueue": True}
        with httpx.stream("POST", f"{api.url}/schedule", params=query) as waiting:
            next(waiting.iter_text())
        end(api, running)
        api.wait_until_idle(timeout=3)
