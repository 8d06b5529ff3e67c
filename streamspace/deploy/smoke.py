"""Smoke test: streams one reply from a live Space, as an API client does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
from huggingface_hub import get_session, get_token

from streamspace.config.types import Config
from streamspace.errors import DeployError

QUESTION = "Count from one to one hundred in words."  # longer than TOKENS, so that the speed can be told
TOKENS = 64
SHORTEST = 2 * TOKENS  # characters of a reply that has them all
NOT_YET = {404, 502, 503, 504}  # the Hub's proxy, while a Space wakes
WAKE_TIMEOUT = 120.0  # seconds for it to wake
READ_TIMEOUT = 120.0  # seconds of silence; the app sends a heartbeat every few seconds


@dataclass(frozen=True)
class Answer:
    """A live Space's reply: its text, seconds to the first text and in total, and the number of updates.

    `asked` is how many tokens it was allowed.
    """

    text: str
    first: float
    total: float
    updates: int
    asked: int = TOKENS

    @property
    def speed(self) -> float:
        """Tokens per second after the first text; 0 where the reply ended before its limit, by its characters."""
        writing = self.total - self.first
        full = len(self.text) >= SHORTEST * self.asked / TOKENS
        return (self.asked - 1) / writing if full and writing > 0 else 0.0

    def __str__(self) -> str:
        shown = " ".join(self.text.split())
        shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
        return f"first text after {self.first:.1f} s, all after {self.total:.1f} s, {self.updates} updates: {shown}"


class Busy(DeployError):
    """The Space runs, but has no GPU quota or queue capacity for this request, or another key: it has not failed."""


def ask(address: str, config: Config, say: Callable[[str], None], key: str | None = None) -> Answer | None:
    """The reply of the app at `address`. Raises DeployError if there is none, Busy if it can't be asked now.

    `key` is the Space's, where its config has one; None comes of an app that runs, and is for who signs in only.
    """
    headers = _headers(key)
    name, words = ("chat", "message") if config.task != "completion" else ("complete", "prompt")
    body = {words: QUESTION, "max_new_tokens": _asked(config)}
    url = f"{address}/gradio_api/call/v2/{name}"
    try:
        offered = _patiently(lambda: get_session().get(f"{address}/gradio_api/info", headers=headers), say)
        if f"/{name}" not in offered["named_endpoints"]:
            raise DeployError("The app runs, but could not load its model; its page and its log say why")
        if config.access.login and not config.access.key:
            return None
        started = time.monotonic()
        event = _patiently(lambda: get_session().post(url, json=body, headers=headers, timeout=READ_TIMEOUT), say)
        return _read(f"{url}/{event['event_id']}", started, _asked(config), headers)
    except httpx2.HTTPError as error:
        raise DeployError(f"{address} doesn't answer: {type(error).__name__} {error}".rstrip()) from error
    except (ValueError, KeyError, IndexError) as error:
        raise DeployError(f"{address} answers, but not as this app does: {error!r}") from error


def _asked(config: Config) -> int:
    """How many tokens the reply may have."""
    tokens = config.sampling.max_new_tokens
    return max(tokens.min, min(TOKENS, tokens.max))


def _patiently(request: Callable[[], httpx2.Response], say: Callable[[str], None]) -> Any:
    """The JSON of a response; retries while the Space wakes up."""
    until = time.monotonic() + WAKE_TIMEOUT
    while True:
        status, answer = _once(request)
        if status == 200 and answer is not None:
            return answer.json()
        if status == 401:
            raise Busy("status 401. If the config has access.key, export the Space's key under the name that it gives")
        if status not in NOT_YET:
            raise DeployError(f"The app runs, but refuses a message: status {status}")
        if time.monotonic() > until:
            raise DeployError(f"The app doesn't answer within {WAKE_TIMEOUT:.0f} s: status {status}")
        say("         waiting for the app to answer")
        time.sleep(3)


def _once(request: Callable[[], httpx2.Response]) -> tuple[int, httpx2.Response | None]:
    """The response and its status; 503 where none comes: the app isn't there yet, or another takes its place."""
    try:
        response = request()
        return response.status_code, response
    except (httpx2.NetworkError, httpx2.RemoteProtocolError):
        return 503, None


def _read(url: str, started: float, asked: int, headers: dict[str, str]) -> Answer:
    text, first, updates = "", 0.0, 0
    with get_session().stream("GET", url, headers=headers, timeout=READ_TIMEOUT) as response:
        for event, data in _events(response.iter_lines()):
            if event == "error":
                raise _refusal(data)
            if event in ("generating", "complete") and isinstance(data, list) and data[0]:
                text, updates = str(data[0]), updates + 1
                first = first or time.monotonic() - started
            if event == "complete":
                break
    if not text.strip():
        raise DeployError("The app answered with an empty reply")
    return Answer(text, first, time.monotonic() - started, updates, asked)


def _events(lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
    """Server-sent events as (name, data)."""
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line[7:].strip()
        elif line.startswith("data: "):
            yield name, json.loads(line[6:])


def _refusal(data: Any) -> DeployError:
    said = (data.get("error") if isinstance(data, dict) else data) or "no reason given; see the log"
    busy = any(word in str(said).lower() for word in ("quota", "queue is full", "no gpu"))
    return Busy(str(said)) if busy else DeployError(f"The app could not answer: {said}")


def _headers(key: str | None) -> dict[str, str]:
    """Authentication: by private Spaces, and ZeroGPU charges the user's quota; and by the app itself."""
    found = {"X-HF-Authorization": get_token(), "Authorization": key}
    return {name: f"Bearer {value}" for name, value in found.items() if value}
