"""Real clients of the systems, which send at the same moment and record when each update of a reply arrives."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gradio_client import Client as Gradio


@dataclass
class Timing:
    """A reply as its client received it: the text, and when each update arrived, in seconds after the request."""

    text: str = ""
    times: list[float] = field(default_factory=list)

    @property
    def first_token(self) -> float:
        return self.times[0]

    @property
    def gaps(self) -> list[float]:
        return [later - earlier for earlier, later in zip(self.times, self.times[1:], strict=False)]


class Client(Protocol):
    """A client of one system. Each has its own session, so that an earlier conversation doesn't lengthen the prompt."""

    def send(self, message: str) -> None:
        """Requests a reply; the other methods are about the latest one."""

    def text(self) -> str:
        """The reply so far."""

    def done(self) -> bool:
        """Whether the reply is complete. Raises the server's error."""

    def stop(self) -> None:
        """Cancels the reply, and returns when the server has acknowledged that."""

    def close(self) -> None:
        """Ends the session."""


class GradioClient:
    """Calls a Gradio app as its page does, with `gradio_client`."""

    def __init__(self, url: str) -> None:
        # Loading the certificates takes longer than a first token, for each request of this client.
        self._client = Gradio(url, verbose=False, ssl_verify=False)

    def send(self, message: str) -> None:
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


class OpenAIClient:
    """Calls OpenAI's chat API with OpenAI's client."""

    def __init__(self, url: str, model: str, tokens: int) -> None:
        from openai import OpenAI

        self._client = OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        self._settings = {"model": model, "max_tokens": tokens, "temperature": 0, "stream": True}

    def send(self, message: str) -> None:
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
        except Exception as error:  # raised again by `done`
            self._error = error


def replies(clients: Sequence[Client], message: str) -> list[Timing]:
    """Sends the message from all clients at once; returns when all replies are complete. Raises a server's error."""
    started = time.perf_counter()
    for client in clients:
        client.send(message)
    timings = [Timing() for _ in clients]
    running = list(zip(clients, timings, strict=True))
    while running:
        time.sleep(0.002)
        running = [(client, timing) for client, timing in running if not _update(client, timing, started)]
    return timings


def _update(client: Client, timing: Timing, started: float) -> bool:
    """Records an update, if there is one. Returns whether the reply is complete."""
    done = client.done()
    text = client.text()
    if text != timing.text:
        timing.text = text
        timing.times.append(time.perf_counter() - started)
    return done
