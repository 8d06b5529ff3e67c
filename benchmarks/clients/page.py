"""A visitor of the page: the function that the page runs, through Gradio's queue, read as lightly as `light` reads."""

from __future__ import annotations

import http.client
import json
import time
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import Any

from gradio_client.utils import apply_diff

from benchmarks.clients.light import PATIENCE, Arrivals, Reply, together

JSON = {"Content-Type": "application/json"}
MESSAGE = "the visitor's message"


def replies(port: int, messages: Sequence[str]) -> list[Reply]:
    """Sends all messages at the same moment, each in a session of its own. Raises RuntimeError with the app's error."""
    function, values = _function(port)
    sent = [json.dumps(values).replace(json.dumps(MESSAGE), json.dumps(each)) for each in messages]
    return [*map(read, together([partial(_arrivals, port, function, data) for data in sent]))]


def _function(port: int) -> tuple[int, list[Any]]:
    """The page's function, by its number, and what it takes."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/config", timeout=20) as answer:
        config = json.load(answer)
    question = [each["id"] for each in config["components"] if each["type"] == "json"]
    for each in config["dependencies"]:
        if each["inputs"] == question and each["types"]["generator"]:  # this app's
            return each["id"], [
                {"id": "a", "message": MESSAGE, "history": [], "begun": [], "images": [], "sampling": {}}
            ]
    chat = next(each for each in config["dependencies"] if each["api_name"] == "chat")
    return chat["id"], [MESSAGE, *[None] * (len(chat["inputs"]) - 1)]


def _arrivals(port: int, function: int, data: str) -> Arrivals:
    session, began = uuid.uuid4().hex, time.perf_counter()
    body = f'{{"data": {data}, "fn_index": {function}, "session_hash": "{session}"}}'
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        connection.request("POST", "/gradio_api/queue/join", body, JSON)
        connection.getresponse().read()
        connection.request("GET", f"/gradio_api/queue/data?session_hash={session}")
        response = connection.getresponse()
        return [(time.perf_counter() - began, data) for data in iter(response.read1, b"")]


def read(arrivals: Arrivals) -> Reply:
    """What the bytes say: a whole value first, and after it what changes in it."""
    reply, value = Reply(), None
    for moment, event in _events(arrivals, reply):
        if event["msg"] in ("process_generating", "process_completed"):
            output = event["output"]
            if not event["success"]:
                raise RuntimeError(f"the app says {output.get('error')}")
            if event["msg"] == "process_generating" and output["data"]:
                value = output["data"][0] if value is None else apply_diff(value, output["data"][0])
            if (text := _text(value)) != reply.text:
                reply.text = text
                reply.times.append(moment)
    return reply


def _events(arrivals: Arrivals, reply: Reply) -> Iterator[tuple[float, dict[str, Any]]]:
    rest = b""
    for moment, data in arrivals:
        reply.bytes += len(data)
        *lines, rest = (rest + data).split(b"\n")
        yield from ((moment, json.loads(line[5:])) for line in lines if line.startswith(b"data:"))


def _text(value: Any) -> str:
    return "".join(part["text"] for part in value.get("parts", ())) if isinstance(value, dict) else value or ""
