"""GET /metrics: how replies go, counted and measured for Prometheus; what is known of each is `reply.account`'s."""

from __future__ import annotations

import typing
from collections.abc import Iterator

import prometheus_client
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from streamspace.errors import AccessError
from streamspace.reply.account import OUTCOMES, Account
from streamspace.reply.loader import Loader
from streamspace.reply.request import Door
from streamspace.web import access

DOORS = typing.get_args(Door)
WAITS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)  # seconds
SPEEDS = (1, 2, 5, 10, 20, 35, 50, 75, 100, 150, 250, 500)  # tokens per second


def routes(loader: Loader) -> list[Route]:
    """The route. What is served counts from here on."""
    registry = CollectorRegistry()
    registry.register(Busy(loader))
    loader.accounts.listeners.append(Metrics(registry).count)

    async def metrics(request: Request) -> Response:
        try:
            access.admit("metrics", request, loader)
        except AccessError as error:
            return PlainTextResponse(f"{error}\n", 401, access.HEADERS)
        headers = {"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"}
        return Response(generate_latest(registry), headers=headers)

    return [Route("/metrics", metrics)]


class Metrics:
    """What is counted of replies when they end. Their names are vLLM's, where it has them.

    No label is a visitor's to choose: the series are those that there are at the start.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # when each began to be counted, as metrics of their own

        def counter(name: str, meaning: str) -> Counter:
            return Counter(f"streamspace_{name}", meaning, registry=registry)

        def histogram(name: str, meaning: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"streamspace_{name}", meaning, registry=registry, buckets=buckets)

        requests = Counter("streamspace_requests", "Requests for a reply.", ("door", "outcome"), registry=registry)
        self._requests = {(door, told): requests.labels(door, told) for door in DOORS for told in OUTCOMES}
        self._first = histogram("time_to_first_token_seconds", "From the request to the first token.", WAITS)
        self._queue = histogram("request_queue_time_seconds", "In the queue.", WAITS)
        self._speed = histogram("generation_tokens_per_second", "Of one reply, after its first token.", SPEEDS)
        self._prompt = counter("prompt_tokens", "Tokens of the prompts.")
        self._cached = counter("prompt_tokens_cached", "Tokens of the prompts that were in a cache.")
        self._written = counter("generation_tokens", "Tokens that were written.")
        self._asked = counter("gpu_requested_seconds", "GPU time that replies asked ZeroGPU for.")
        self._used = counter("gpu_used_seconds", "GPU time that they used of it.")

    def count(self, account: Account) -> None:
        """Counts a reply, or a request that was refused."""
        self._requests[door(account), outcome(account)].inc()
        if account.first is not None:
            self._first.observe(account.first)
        if account.waited or account.first is not None:
            self._queue.observe(account.waited)
        if account.speed is not None:
            self._speed.observe(account.speed)
        if end := account.now.end:
            self._prompt.inc(end.prompt_tokens)
            self._cached.inc(end.reused_tokens)
        self._written.inc(account.now.tokens)
        asked, used = account.gpu_seconds
        self._asked.inc(asked)
        self._used.inc(used)


class Busy(Collector):
    """How many replies are written, and how many wait, when it is asked."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """See `Collector`."""
        running, waiting = self._loader.busy
        yield GaugeMetricFamily("streamspace_num_requests_running", "Replies that are being written.", running)
        yield GaugeMetricFamily("streamspace_num_requests_waiting", "Replies that wait in the queue.", waiting)


def door(account: Account) -> str:
    """Which way the request came in: one of `DOORS`."""
    return account.caller.door if account.caller.door in DOORS else "none"


def outcome(account: Account) -> str:
    """How the reply ended: one of `OUTCOMES`."""
    return account.outcome if account.outcome in OUTCOMES else "failed"
