"""Replies from a GGUF file by llama.cpp's own server in this process; `endpoint` talks to it as to any other.

It batches, keeps what it has read and applies the chat template itself; nothing here needs torch or transformers.
"""

from __future__ import annotations

import atexit
import importlib.util
import threading

from streamspace import gguf
from streamspace.config.server import Endpoint
from streamspace.config.types import Config
from streamspace.engines.endpoint import EndpointEngine
from streamspace.engines.engine import Events, GgufFile
from streamspace.engines.llama_cache import PATIENCE, Places
from streamspace.engines.llama_server import LlamaServer, Placed
from streamspace.engines.reply import CANCELLED
from streamspace.engines.slots import Slots
from streamspace.errors import ModelError
from streamspace.events import Request


def check_package() -> None:
    """Raises ModelError where the package isn't installed."""
    if importlib.util.find_spec("xllamacpp") is None:
        raise ModelError(
            f"engine: llamacpp needs a package that isn't installed. Add a line to requirements.txt: {gguf.PACKAGE}"
        )


def build(config: Config, loaded: GgufFile) -> LlamaCppEngine:
    """See `config/engines.py`. Raises ModelError."""
    return LlamaCppEngine(LlamaServer(config, loaded), config)


class LlamaCppEngine:
    """llama.cpp's server, and the engine that talks to it; `limits.concurrency` replies share each pass."""

    name = "llamacpp"

    def __init__(self, server: LlamaServer, config: Config) -> None:
        self.server = server
        self.capacity = config.limits.places
        settings = Endpoint(url=f"{server.address}/v1", timeout=PATIENCE)
        self._client = EndpointEngine(settings, config.model.id, server.key, self.capacity, server.adapted, True)
        self._slots = Slots(self.capacity)
        self._places = Places(self.capacity, server.ask, config.limits.cache_megabytes * 10**6)
        atexit.register(self.close)  # later the client's thread doesn't run, and the server would wait for it

    def stream(self, request: Request, stop: threading.Event) -> Events:
        """See `Engine.stream`."""
        with self._slots.slot() as slot:
            if not (yield from slot.wait(stop)):
                yield CANCELLED
                return
            with self._places.place(request.visitor) as (place, goes_on):
                yield from self._client.stream(Placed(**vars(request), place=place, goes_on=goes_on), stop)

    def begin(self, request: Request) -> None:
        """Reads what conversations begin with, as this one does, once for all visitors. Before the first of them."""
        if self._places.keeps:
            for _ in self._client.stream(Placed(**vars(request), place=0), threading.Event()):
                pass
            self._places.begin(0)

    def unavailable_reason(self) -> str | None:
        """See `Engine.unavailable_reason`."""
        return self._client.unavailable_reason()

    def close(self) -> None:
        """See `Engine.close`."""
        atexit.unregister(self.close)
        self._client.close()  # first: the server waits until its connections are closed
        self.server.close()
