"""Visitors: real Gradio clients that ask at the same moment, and note when each update of the reply came."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from gradio_client import Client
from gradio_client.client import Job


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


def connect(url: str, visitors: int) -> list[Client]:
    """New clients, each a session of its own: an earlier conversation doesn't lengthen the prompt."""
    # Loading the certificates takes longer than a first token, for each request that these clients make.
    return [Client(url, verbose=False, ssl_verify=False) for _ in range(visitors)]


def ask(clients: list[Client], message: str) -> list[Heard]:
    """All clients ask at once; returns when the last reply is complete. Raises what a server answered with."""
    started = time.perf_counter()
    jobs = [client.submit(message, api_name="/chat") for client in clients]
    heard = [Heard() for _ in jobs]
    waiting = list(zip(jobs, heard, strict=True))
    while waiting:
        time.sleep(0.002)
        waiting = [(job, seen) for job, seen in waiting if not _look(job, seen, started)]
    return heard


def _look(job: Job, seen: Heard, started: float) -> bool:
    """Notes an update, if there is one. Whether the reply is complete."""
    done = job.done()
    if done and (error := job.exception()):
        raise error
    texts = job.outputs()
    if texts and texts[-1] != seen.text:
        seen.text = texts[-1]
        seen.times.append(time.perf_counter() - started)
    return done
