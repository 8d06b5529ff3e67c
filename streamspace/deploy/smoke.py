"""Streams one reply from a live Space, as a visitor's program would: the proof that it answers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
from huggingface_hub import get_session, get_token

from streamspace.config import Config
from streamspace.errors import DeployError

QUESTION = "Say hello in one short sentence."
NOT_YET = {404, 502, 503, 504}  # what the Hub's proxy says while a Space wakes
PATIENCE = 120.0  # seconds for it to wake
SILENCE = 120.0  # seconds without any sign of life; the app sends a heartbeat every few


@dataclass(frozen=True)
class Answer:
    """The reply of a live Space: its text, seconds to its first piece and in all, and how many updates it came in."""

    text: str
    first: float
    total: float
    updates: int

    def __str__(self) -> str:
        shown = " ".join(self.text.split())
        shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
        return f"first text after {self.first:.1f} s, all after {self.total:.1f} s, {self.updates} updates: {shown}"


class Busy(DeployError):
    """The Space runs, and had no GPU or place in the queue for this one message: nothing is known against it."""


def ask(address: str, config: Config, say: Callable[[str], None]) -> Answer:
    """The reply of the app at `address`. Raises DeployError when there is none, Busy when it can't be had now."""
    name, words = ("chat", "message") if config.task == "chat" else ("complete", "prompt")
    tokens = config.sampling.max_new_tokens
    body = {words: QUESTION, "max_new_tokens": max(tokens.min, min(64, tokens.max))}
    url = f"{address}/gradio_api/call/v2/{name}"
    started = time.monotonic()
    try:
        event = _join(url, body, say)
        return _read(f"{url}/{event}", started)
    except httpx2.HTTPError as error:
        raise DeployError(f"{address} doesn't answer: {type(error).__name__} {error}".rstrip()) from error


def _join(url: str, body: dict[str, Any], say: Callable[[str], None]) -> str:
    """The event of a new request; waits for a Space that is still waking up."""
    until = time.monotonic() + PATIENCE
    while True:
        answer = _post(url, body)
        if answer is not None and answer.status_code == 200:
            return str(answer.json()["event_id"])
        if answer is not None and answer.status_code not in NOT_YET:
            raise DeployError(
                f"The app runs, but refuses a message ({answer.status_code}). If its model could not be loaded, its "
                "page and its log say why"
            )
        if time.monotonic() > until:
            raise DeployError(f"{url} doesn't answer within {PATIENCE:.0f} s")
        say("         waiting for the app to answer")
        time.sleep(3)


def _post(url: str, body: dict[str, Any]) -> httpx2.Response | None:
    """The response, or None while nobody listens yet."""
    try:
        return get_session().post(url, json=body, headers=_headers(), timeout=SILENCE)
    except httpx2.ConnectError:
        return None


def _read(url: str, started: float) -> Answer:
    text, first, updates = "", 0.0, 0
    with get_session().stream("GET", url, headers=_headers(), timeout=SILENCE) as response:
        for event, data in _events(response.iter_lines()):
            if event == "error":
                raise _refusal(data)
            if event in ("generating", "complete") and data and data[0]:
                text, updates = str(data[0]), updates + 1
                first = first or time.monotonic() - started
            if event == "complete":
                break
    if not text.strip():
        raise DeployError("The app answered with an empty reply")
    return Answer(text, first, time.monotonic() - started, updates)


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


def _headers() -> dict[str, str]:
    """Who asks: needed for a private Space, and on ZeroGPU the time is taken from the asker's quota."""
    token = get_token()
    return {"X-HF-Authorization": f"Bearer {token}"} if token else {}
