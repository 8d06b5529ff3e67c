"""The app in front of two replicas on Ray Serve, all on this machine: `make test-scale`."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from gradio_client import Client

from scale.cluster import Cluster, until
from tests.running import ROOT, App

QUESTIONS = [  # of scripts/tiny/corpus/long.yaml: the answers differ, and each takes a while
    entry["ask"][0] for entry in yaml.safe_load((ROOT / "scripts/tiny/corpus/long.yaml").read_text("utf-8"))
]
VISITORS, EACH = 16, 2
TOLD = "The model's server can't be reached. Try again in a moment"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Two replicas; the folder is not pytest's own, since its sockets need a short path."""
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        running = Cluster(Path(folder))
        try:
            running.start()
            running.serve(2)
            yield running
        finally:
            running.end()


@pytest.fixture(scope="module")
def app(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    endpoint = {"url": cluster.url, "provider": "auto", "secret": "ENDPOINT_KEY", "timeout": 60}
    running = App(tmp_path_factory.mktemp("app"), {"engine": "endpoint", "endpoint": endpoint, "model.id": "tiny"})
    yield running
    running.end()


@dataclass
class Reply:
    """What a visitor read; `error` is what came instead of the end."""

    question: str
    began: float
    text: str = ""
    error: str = ""


@dataclass
class Visitor:
    """Asks one question after the other, by the page's API."""

    url: str
    questions: list[str]
    replies: list[Reply] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._client = Client(self.url, verbose=False)

    def ask(self) -> None:
        for question in self.questions:
            reply = Reply(question, time.monotonic())
            self.replies.append(reply)
            job = self._client.submit(question, api_name="/chat")
            for text in job:
                reply.text = text
            reply.text, reply.error = job.outputs()[-1], str(job.exception() or "")


@contextmanager
def visited(visitors: list[Visitor]) -> Iterator[None]:
    """The block begins when all of them read a reply, and ends when they have read all."""
    threads = [threading.Thread(target=visitor.ask) for visitor in visitors]
    for thread in threads:
        thread.start()
    until(lambda: all(visitor.replies and visitor.replies[0].text for visitor in visitors), 60)
    yield
    for thread in threads:
        thread.join(180)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def texts(app: App) -> dict[str, str]:
    """What the model says to each question when nothing happens."""
    alone = Visitor(app.url, QUESTIONS)
    alone.ask()
    assert [reply.error for reply in alone.replies] == [""] * len(QUESTIONS)
    return {reply.question: reply.text for reply in alone.replies}


def test_a_replica_that_is_killed_costs_its_own_replies_their_end_and_no_others(
    cluster: Cluster, app: App, texts: dict[str, str]
) -> None:
    asked = [[QUESTIONS[(first + turn) % len(QUESTIONS)] for turn in range(EACH)] for first in range(VISITORS)]
    visitors = [Visitor(app.url, questions) for questions in asked]
    before = cluster.processes("ray::ServeReplica")
    assert len(before) == 2
    with visited(visitors):
        os.kill(before[0], signal.SIGKILL)
        killed = time.monotonic()
    replies = [reply for visitor in visitors for reply in visitor.replies]
    cut, later = [reply for reply in replies if reply.error], [reply for reply in replies if reply.began > killed]
    print(f"{len(replies)} replies, {len(cut)} cut, {len(later)} begun later")
    assert len(replies) == VISITORS * EACH
    assert later
    assert 0 < len(cut) < VISITORS
    assert {reply.error for reply in cut} == {TOLD}
    assert all(reply.began < killed and reply.text for reply in cut)
    assert all(texts[reply.question].startswith(reply.text) for reply in cut)
    assert [reply.text for reply in replies if not reply.error] == [
        texts[reply.question] for reply in replies if not reply.error
    ]
    until(lambda: cluster.replicas() == {"RUNNING": 2}, 60)
    assert before[0] not in cluster.processes("ray::ServeReplica")


def test_a_replica_that_is_ended_in_order_writes_its_replies_first(
    cluster: Cluster, app: App, texts: dict[str, str]
) -> None:
    visitors = [Visitor(app.url, [QUESTIONS[0]]) for _ in range(8)]
    with visited(visitors):
        cluster.serve(1)
    assert [(reply.text, reply.error) for visitor in visitors for reply in visitor.replies] == [
        (texts[QUESTIONS[0]], "")
    ] * 8
    assert len(cluster.processes("ray::ServeReplica")) == 1
