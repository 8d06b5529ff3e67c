"""A loopback stand-in for the ZeroGPU device API, answering as the client in `spaces` 0.51 expects.

It hands out cards, queues, counts seconds and kills, as the platform does; forking, pickling and streaming are left
to the real `spaces` package in the app's process. Its wire format is the one in spaces/zero/api.py:

    POST /startup-report                                             once, from the first Blocks.launch()
    POST /schedule  cgroupPath taskId enableQueue tokenVersion durationSeconds [gpuSize] [token]
    POST /allow     allowToken pid                                   once per worker process, by that process
    POST /release   allowToken fail                                  by the host, when the task has ended

All parameters travel in the query. A warm worker is one that the answer to /schedule calls `idle`, on a card whose
last task was the same: the client then skips the fork, so no /allow follows. A card is therefore remembered together
with the task and the pid that used it last. `rules` holds what tests set, `wire` speaks HTTP.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from .rules import ANONYMOUS, Rules, Visitor
from .wire import Call, Reply, Server

PING = "event: ping\n\n"
FAILED = "event: failed\n\n"


@dataclass(eq=False)
class Grant:
    """One task from /schedule to /release: who asked, for how long, and where it runs."""

    token: str | None
    task: str
    seconds: float
    size: str | None
    key: str = field(default_factory=lambda: secrets.token_hex(8))  # the allowToken
    card: Card | None = None
    began: float = 0.0
    timer: threading.Timer | None = None

    def cost(self, seconds: float) -> float:
        return seconds * (2 if self.size == "xlarge" else 1)


@dataclass(eq=False)
class Card:
    """One GPU. `task` and `pid` name the worker that lives on it, also between its calls."""

    index: int
    task: str | None = None
    pid: int | None = None
    grant: Grant | None = None

    @property
    def uuid(self) -> str:
        return f"GPU-00000000-0000-0000-0000-{self.index:012d}"

    def evict(self) -> None:
        if self.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self.task = self.pid = None


class DeviceAPI:
    """The stand-in, listening on a free loopback port as soon as it is made; use it as a context manager.

    `rules` is how it behaves, `calls` what it was asked, `pids` every worker process it has seen.
    """

    def __init__(self) -> None:
        self.rules = Rules()
        self.calls: list[Call] = []
        self.pids: list[int] = []
        self._cards: dict[int, Card] = {}
        self._grants: dict[str, Grant] = {}
        self._line: list[Grant] = []
        self._changed = threading.Condition()
        self._routes = {
            "/startup-report": self._startup_report,
            "/schedule": self._schedule,
            "/allow": self._allow,
            "/release": self._release,
        }
        self._server = Server(self.answer)
        self._server.open()

    # -- what tests use ------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.port}"

    def asked(self, path: str) -> list[dict[str, str]]:
        """The parameters of every call to `path`, in order."""
        with self._changed:
            return [call.params for call in self.calls if call.path == path]

    def wait_for(self, path: str, count: int = 1, timeout: float = 10.0) -> list[dict[str, str]]:
        """As `asked`, after waiting for `count` calls; raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.asked(path)) >= count, timeout):
                raise TimeoutError(f"{len(self.asked(path))} calls of {path} in {timeout} s, expected {count}")
            return self.asked(path)

    def wait_until_idle(self, timeout: float = 10.0) -> None:
        """Return when no task holds a card and none waits; raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._grants and not self._line, timeout):
                raise TimeoutError(f"{len(self._grants)} tasks run and {len(self._line)} wait after {timeout} s")

    def reset(self, evict: bool = False) -> None:
        """Back to the default rules and an empty record, keeping the warm workers unless `evict`.

        Raises TimeoutError when a task still runs; `evict` ends such tasks by killing their workers.
        """
        if evict:
            self.evict()
        self.wait_until_idle()
        with self._changed:
            self.rules = Rules()
            self.calls.clear()

    def evict(self) -> None:
        """Kill the workers of all cards, as the platform does with workers that stay idle."""
        with self._changed:
            for grant in list(self._grants.values()):
                self._finish(grant, kill=True)
            for card in self._cards.values():
                card.evict()

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        """Nothing listens on the port meanwhile: the client's connection is refused."""
        self._server.close()
        try:
            yield
        finally:
            self._server.open()

    def forget(self) -> None:
        """The app has ended: its tasks are over, and its workers' pids may soon belong to others."""
        with self._changed:
            for grant in list(self._grants.values()):
                self._finish(grant)
            self._cards.clear()

    def close(self) -> None:
        self._server.close()
        self.forget()

    def __enter__(self) -> DeviceAPI:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # -- what the client calls -----------------------------------------------------------------------------------------

    def answer(self, call: Call) -> Reply | None:
        with self._changed:
            self.calls.append(call)
            self._changed.notify_all()
        if call.path in self.rules.hang_up:
            return None
        if (status := self.rules.status.get(call.path)) is not None:
            return Reply(status)
        if (route := self._routes.get(call.path)) is None:
            return Reply(404)
        return route(call.params)

    def _startup_report(self, params: dict[str, str]) -> Reply:
        self.forget()
        return Reply()

    def _schedule(self, params: dict[str, str]) -> Reply:
        rules = self.rules
        grant = Grant(
            token=params.get("token", ANONYMOUS),
            task=f"{params['cgroupPath']} {params['taskId']}",
            seconds=float(params.get("durationSeconds", 60)),
            size=params.get("gpuSize"),
        )
        visitor = rules.visitor(grant.token)
        headers = {"X-Authenticated": visitor.auth} if visitor.auth else {}
        with self._changed:
            if refusal := self._refuse(grant, visitor):
                refusal.headers |= headers
                return refusal
            headers["X-Approve-Result"] = "approved"
            self._line.append(grant)
            if not rules.always_stream and (granted := self._seat(grant)):
                return Reply(200, granted, headers)
            if params.get("enableQueue") != "true":
                self._line.remove(grant)
                return Reply(503)
        headers |= {"Content-Type": "text/event-stream", "X-Queuing-Reason": rules.queuing_reason}
        return Reply(200, self._queue(grant), headers)

    def _refuse(self, grant: Grant, visitor: Visitor) -> Reply | None:
        """The platform's four reasons for HTTP 429. What is asked for is checked, running tasks included."""
        running = sum(other.cost(other.seconds) for other in self._grants.values() if other.token == grant.token)
        left = max(0, int(visitor.left - running))

        def reply(reason: str, wait: int) -> Reply:
            return Reply(429, {"left": left, "wait": wait}, {"X-Approve-Result": reason})

        if self.rules.max_duration is not None and grant.seconds > self.rules.max_duration:
            return reply("illegal-duration", -1)
        if visitor.pending_exceeded:
            return reply("pending-overquota-exceeded", visitor.wait)
        if visitor.runs_left is not None and visitor.runs_left <= 0:
            return reply("runs-exceeded", 0)
        if grant.cost(grant.seconds) > left:
            return reply("quota-exceeded", visitor.wait)
        return None

    def _seat(self, grant: Grant) -> dict[str, Any] | None:
        """Give the head of the line a free card, the one with its own warm worker if there is one. Needs the lock."""
        cards = [self._cards.setdefault(index, Card(index)) for index in range(self.rules.gpus)]
        free = [card for card in cards if card.grant is None]
        if self._line[0] is not grant or not free:
            return None
        self._line.pop(0)
        card = min(free, key=lambda card: (card.task != grant.task, card.task is not None, card.index))
        idle = card.task == grant.task
        if not idle:
            card.evict()
        card.grant, grant.card, grant.began = grant, card, time.monotonic()
        self._grants[grant.key] = grant
        if (visitor := self.rules.visitor(grant.token)).runs_left is not None:
            visitor.runs_left -= 1
        if self.rules.kill_overrun:
            grant.timer = threading.Timer(grant.seconds + self.rules.grace, self._overrun, [grant])
            grant.timer.daemon = True
            grant.timer.start()
        return {"idle": idle, "nvidiaIndex": card.index, "nvidiaUUID": card.uuid, "allowToken": grant.key}

    def _queue(self, grant: Grant) -> Iterator[str]:
        """The event-stream of one waiting task. Closing it (the visitor has gone) gives up the place or the card."""
        rules, granted = self.rules, None
        deadline = time.monotonic() + rules.queue_timeout
        try:
            yield PING
            if rules.cut_streams > 0:
                rules.cut_streams -= 1
                raise ConnectionAbortedError("cut by the rules")
            while granted is None:
                with self._changed:
                    if (granted := self._seat(grant)) is None:
                        self._changed.wait(rules.ping_every)
                        granted = self._seat(grant)
                if granted is None and time.monotonic() > deadline:
                    yield FAILED
                    return
                yield PING if granted is None else f"event: succeeded\ndata: {json.dumps(granted)}\n\n"
        except GeneratorExit:
            self._finish(grant)
            raise
        finally:
            with self._changed:
                if grant in self._line:
                    self._line.remove(grant)
                self._changed.notify_all()

    def _allow(self, params: dict[str, str]) -> Reply:
        with self._changed:
            if (grant := self._grants.get(params["allowToken"])) is None or grant.card is None:
                return Reply(404)
            grant.card.task, grant.card.pid = grant.task, int(params["pid"])
            self.pids.append(grant.card.pid)
            return Reply()

    def _release(self, params: dict[str, str]) -> Reply:
        if (grant := self._grants.get(params["allowToken"])) is None:
            return Reply(404)
        self._finish(grant, kill=params.get("fail") == "true")
        return Reply()

    def _overrun(self, grant: Grant) -> None:
        self._finish(grant, kill=True)

    def _finish(self, grant: Grant, kill: bool = False) -> None:
        """Charge the seconds used, kill the worker if asked, and free the card; does nothing the second time."""
        with self._changed:
            if self._grants.pop(grant.key, None) is None or grant.card is None:
                return
            if grant.timer is not None:
                grant.timer.cancel()
            used = min(time.monotonic() - grant.began, grant.seconds)
            self.rules.visitor(grant.token).left -= grant.cost(used)
            if kill:
                grant.card.evict()
            grant.card.grant = None
            self._changed.notify_all()
