"""What tests may set on the stand-in: the platform's limits, its visitors, and its failures."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any, Literal

ANONYMOUS = None  # the key of visitors without an X-IP-Token


@dataclass
class Visitor:
    """What the platform knows about one X-IP-Token. `wait` is the number of seconds until the quota is whole again."""

    left: float = 300.0
    auth: Literal["regular", "pro"] | None = "regular"
    wait: int = 3600
    runs_left: int | None = None  # None: no limit of runs
    pending_exceeded: bool = False  # too many credits reserved by running tasks


@dataclass
class Rules:
    """How the platform behaves; tests set the fields, `DeviceAPI.reset` restores the defaults. Times are seconds."""

    gpus: int = 1
    max_duration: float | None = None  # a longer request is an illegal duration
    visitors: dict[str | None, Visitor] = field(default_factory=lambda: {ANONYMOUS: Visitor(left=120.0, auth=None)})
    # the queue: answered as an event-stream while all cards are busy (or always), first come first served
    always_stream: bool = False
    queuing_reason: Literal["node", "concurrency"] = "node"
    ping_every: float = 0.1
    queue_timeout: float = 60.0  # then `event: failed`
    cut_streams: int = 0  # so many event-streams break off after their first ping
    # the end of a task
    kill_overrun: bool = True
    grace: float = 0.0  # added to durationSeconds before the kill
    # trouble by path: a status sent, or the connection closed without one, and nothing done
    status: dict[str, int] = field(default_factory=dict)  # e.g. {"/schedule": 503}
    hang_up: set[str] = field(default_factory=set)  # e.g. {"/release"}

    def visitor(self, token: str | None) -> Visitor:
        return self.visitors.setdefault(token, Visitor())


def visitor_token(name: str, **claims: Any) -> str:
    """An unsigned X-IP-Token for one visitor; the client only decodes it, and warns of a claim `error`."""
    parts = [json.dumps(part).encode() for part in ({"alg": "none"}, {"sub": name, **claims})]
    return ".".join([base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts] + ["unsigned"])
