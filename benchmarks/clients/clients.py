"""Visitors: real clients that ask at the same moment, and note when each update of the reply came."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gradio_client import Client


@dataclass
class Heard:
    """What one visitor saw: the reply's text, and when each update came, in seconds after asking."""

    text: str = ""
    times: list[float] = field(default_factory=list)

    @property
    def first(self) -> float:
        return self.times[0]

    @property
    def gaps(self) -> list[float]:
        return [later - earlier for earlier, later in zip(self.times, self.times[1:], strict=False)]


class Visitor(Protocol):
    """A client of one app, with a session of its own: an earlier conversation doesn't lengthen the prompt."""

    def ask(self, message: str) -> None:
        """Begins a reply; what follows is about it."""

    def text(self) -> str:
        """The reply so far."""

    def done(self) -> bool:
        """Whether the reply is complete. Raises what the server answered with."""

    def stop(self) -> None:
        """Says Stop, and returns when the server has heard it."""

    def close(self) -> None:
        """Goes away."""


class PageVisitor:
    """Speaks to a Gradio app as its page does, through `gradio_client`."""

    def __init__(self, url: str) -> None:
        # Loading the certificates takes longer than a first token, for each request that this client makes.
        self._client = Client(url, verbose=False, ssl_verify=False)

    def ask(self, message: str) -> None:
        self._job = self._client.submit(message, api_name="/chat")

    def text(self) -> str:
        outputs = self._job.outputs()
        return outputs[-1] if outputs else ""

    def done(self) -> bool:
        if self._job.done() and (error := self._job.exception()):
            raise error
        return self._job.done()

    def stop(self) -> None:
        self._job.cancel()

    def close(self) -> None:
        self._client.close()


class ApiVisitor:
    """Speaks OpenAI's chat API with its own client."""

    def __init__(self, url: str, model: str, tokens: int) -> None:
        from openai import OpenAI

        self._client = OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        self._settings = {"model": model, "max_tokens": tokens, "temperature": 0, "stream": True}

    def ask(self, message: str) -> None:
        self._text, self._error = "", None
        self._thread = threading.Thread(target=self._read, args=(message,), daemon=True)
        self._thread.start()

    def text(self) -> str:
        return self._text

    def done(self) -> bool:
        if self._error:
            raise self._error
        return not self._thread.is_alive()

    def stop(self) -> None:
        self._stream.response.close()

    def close(self) -> None:
        self._client.close()

    def _read(self, message: str) -> None:
        try:
            messages = [{"role": "user", "content": message}]
            self._stream = self._client.chat.completions.create(messages=messages, **self._settings)
            for chunk in self._stream:
                if chunk.choices:
                    self._text += chunk.choices[0].delta.content or ""
        except Exception as error:  # raised again where it is asked for
            self._error = error


def ask(visitors: Sequence[Visitor], message: str) -> list[Heard]:
    """All of them ask at once; returns when the last reply is complete. Raises what a server answered with."""
    started = time.perf_counter()
    for visitor in visitors:
        visitor.ask(message)
    heard = [Heard() for _ in visitors]
    waiting = list(zip(visitors, heard, strict=True))
    while waiting:
        time.sleep(0.002)
        waiting = [(visitor, seen) for visitor, seen in waiting if not _look(visitor, seen, started)]
    return heard


def _look(visitor: Visitor, seen: Heard, started: float) -> bool:
    """Notes an update, if there is one. Whether the reply is complete."""
    done = visitor.done()
    text = visitor.text()
    if text != seen.text:
        seen.text = text
        seen.times.append(time.perf_counter() - started)
    return done
