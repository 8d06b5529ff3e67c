"""Replies from a model behind a server that speaks OpenAI's chat API; it runs there, and nothing here needs torch."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

from huggingface_hub import set_async_client_factory

from streamspace.config import secrets
from streamspace.config.server import Endpoint
from streamspace.config.types import Config
from streamspace.engines import endpoint_client, endpoint_errors, parts
from streamspace.engines.endpoint_payload import payload
from streamspace.engines.endpoint_reader import Reader
from streamspace.engines.engine import Events, LoadedModel, RecentFailure
from streamspace.engines.forms import Form
from streamspace.engines.reply import CANCELLED, Reply
from streamspace.engines.slots import Slots
from streamspace.events import Request
from streamspace.i18n import t

log = logging.getLogger(__name__)
PAUSES = (0.5, 1.0, 2.0)  # seconds before each further try; only until the first token has come
Dialect = Callable[[Request, dict[str, Any]], dict[str, Any]]  # what a server wants otherwise than OpenAI's API
CLOSING = 5.0  # seconds in which connections are closed


def build(config: Config, loaded: LoadedModel | None) -> EndpointEngine:
    """See `config/engines.py`. Nothing is loaded here; the key is the secret's value, if there is one."""
    assert config.endpoint
    key = secrets.value(config.endpoint.secret)
    return EndpointEngine(config.endpoint, config.model.id, key, config.limits.places)


class EndpointEngine:
    """Asks the server for up to `capacity` replies at once. `model` is its name there, `key` what the server wants.

    `separates`: the server is known to tell reasoning and answer apart also in a reply that goes on.

    All requests run on one event loop in a thread, so that a Stop can close a connection on which nothing arrives;
    that is how these servers learn of it.
    """

    name = "endpoint"

    def __init__(
        self,
        settings: Endpoint,
        model: str,
        key: str | None,
        capacity: int,
        dialect: Dialect = lambda request, asked: asked,
        separates: bool = False,
    ) -> None:
        set_async_client_factory(endpoint_client.client)
        self.capacity = capacity
        self._settings = settings
        self._model = model
        self._key = key
        self._dialect = dialect
        self._separates = separates
        self._slots = Slots(capacity)
        self._recent_failure = RecentFailure()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="endpoint", daemon=True)
        self._thread.start()

    def stream(self, request: Request, stop: threading.Event) -> Events:
        """See `Engine.stream`; "within one token" is when the server notices that the connection is closed."""
        with self._slots.slot() as slot:
            if not (yield from slot.wait(stop)):
                yield CANCELLED
                return
            parser = parts.parser(Form(), request.begins, request.continues) if request.begins else None
            reply = Reply(request, stop, parser=parser)
            with self._asking(reply):
                yield from reply.interruptible_events()

    def unavailable_reason(self) -> str | None:
        """See `Engine.unavailable_reason`: why the last reply failed, if that was recent and not its own fault."""
        return self._recent_failure.get()

    def close(self) -> None:
        """See `Engine.close`. Connections are closed when it returns."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSING)

    @contextmanager
    def _asking(self, reply: Reply) -> Iterator[None]:
        """Asks the server as long as the block lasts."""
        asking = asyncio.run_coroutine_threadsafe(self._ask(reply), self._loop)
        try:
            yield
        finally:
            asking.cancel()

    def _run(self) -> None:
        self._loop.run_forever()
        if asking := asyncio.all_tasks(self._loop):
            for task in asking:
                task.cancel()
            self._loop.run_until_complete(asyncio.wait(asking))
        self._loop.close()

    async def _ask(self, reply: Reply) -> None:
        for pause in (*PAUSES, None):
            try:
                await self._read(reply)
                self._recent_failure.clear()
                return
            except asyncio.CancelledError:  # nobody reads it any more, or the engine is closed
                reply.fail(t("error.server_unreachable"))
                raise
            except Exception as error:
                if pause is None or reply.begun or not endpoint_errors.is_retryable(error):
                    log.warning("The model's server failed: %s", endpoint_errors.told(error))
                    explained = endpoint_errors.explain(error, self._model, self._settings)
                    if endpoint_errors.is_server_wide(error):
                        self._recent_failure.set(explained)
                    reply.fail(explained)
                    return
                await asyncio.sleep(pause)

    async def _read(self, reply: Reply) -> None:
        """One try. The client is closed after it, and the connection with it: it would keep each one it ever had."""
        begun = reply.request.begins if self._separates and reply.request.continues else None
        reader = Reader(reply, begun)
        asked = self._dialect(reply.request, payload(reply.request, self._model))
        async with aclosing(self._chunks(asked)) as chunks:
            async for chunk in chunks:
                if not reader.take(chunk):
                    return
        reader.end()

    def _chunks(self, asked: dict[str, Any]) -> AsyncGenerator[Any, None]:
        """What the server tells, piece by piece."""
        at = self._settings
        if at.url:
            return endpoint_client.chunks(at.url, self._key, asked, at.timeout)
        return endpoint_client.provider_chunks(at.provider, self._key, asked, at.timeout)
