"""Opens the Space before its model is there: the page is served while the model loads behind it."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from streamspace.config.types import Config
from streamspace.errors import ClosingError, EndedError, ModelError, StreamspaceError, unexpected
from streamspace.i18n import t
from streamspace.reply.account import Accounts
from streamspace.reply.measure import Measure
from streamspace.reply.pipeline import Pipeline
from streamspace.reply.progress import Progress, Replies
from streamspace.reply.request import ChatRequest, CompletionRequest

log = logging.getLogger(__name__)
OnProgress = Callable[[str], None]
TRIES = 3  # of a reply whose turn never comes, since its model ends before
RETRY_DELAY = 30.0  # seconds after a failure before a new visit tries once more


class Loader:
    """Stands in for a `Pipeline` from the first moment on: what it is asked for waits until the model is loaded.

    `make` builds the pipeline, telling how far it is. When it fails, `error` says why; a visit some time later tries
    again, so that a cause that is gone (a gated model's terms, the network) needs no restart. A pipeline whose model is
    lost is made anew at once. Not without `background`: on ZeroGPU weights can be loaded by the main thread alone,
    before the page is launched.
    """

    def __init__(self, config: Config, make: Callable[[Config, OnProgress], Pipeline], background: bool = True) -> None:
        self.config = config
        self.background = background
        self.pipeline: Pipeline | None = None
        self.error = ""
        self.progress = ""
        self.closing = False
        self.accounts = Accounts()
        self._make = make
        self._failed_at = 0.0
        self._loading = threading.Lock()

    def start(self) -> None:
        """Loads for the first time: behind the page, or else now, before the page is launched."""
        if self.background:
            self.ensure_started()
        else:
            self.load()

    def ensure_started(self) -> None:
        """Loads in a thread of its own, unless that is under way, done, not possible, or failed only just now."""
        tried = self.error and time.monotonic() - self._failed_at <= RETRY_DELAY
        if self.background and not (self.closing or self.pipeline or tried or self._loading.locked()):
            self.error = ""
            threading.Thread(target=self.load, name="loader", daemon=True).start()

    def load(self) -> None:
        """Loads in this thread, unless that is under way or done."""
        if self.pipeline or not self._loading.acquire(blocking=False):
            return
        try:
            self.error = ""
            made = self._make(self.config, self._on_progress)
            made.on_end = lambda: self._lost(made)
            self.pipeline = made
        except StreamspaceError as error:
            self._fail(error.args[0])
            log.error("%s%s", error, f": {error.detail}" if error.detail else "")
        except Exception:
            self._fail(unexpected())
            log.exception("The model could not be loaded")
        finally:
            self._loading.release()

    async def until_ready(self) -> AsyncGenerator[str, None]:
        """Yields how far the model is, ten times a second, until it is loaded. Raises ModelError if it can't be.

        Loads it where nobody has begun to, or where that failed some time ago.
        """
        self.ensure_started()
        while not self.pipeline:
            if self.closing:
                raise ClosingError(t("error.closing"))
            if self.error:
                raise ModelError(t("error.unloaded", problem=self.error))
            yield self.progress
            await asyncio.sleep(0.1)

    def chat(self, request: ChatRequest) -> Replies:
        """See `Pipeline.chat`."""
        return self.accounts.kept(request.caller, self._when_loaded(lambda pipeline: pipeline.chat(request)))

    def complete(self, request: CompletionRequest) -> Replies:
        """See `Pipeline.complete`."""
        return self.accounts.kept(request.caller, self._when_loaded(lambda pipeline: pipeline.complete(request)))

    async def measure(self, request: ChatRequest) -> Measure | None:
        """See `Pipeline.measure`."""
        return await self.pipeline.measure(request) if self.pipeline else None

    @property
    def busy(self) -> tuple[int, int]:
        """See `Pipeline.busy`."""
        return self.pipeline.busy if self.pipeline else (0, 0)

    def close(self) -> None:
        """Takes no more requests; replies that are being written go on. From any thread."""
        self.closing = True
        if self.pipeline:
            self.pipeline.close()

    def end(self) -> None:
        """Ends also the replies that are being written. From any thread."""
        self.close()
        if self.pipeline:
            self.pipeline.end()

    async def _when_loaded(self, start: Callable[[Pipeline], Replies]) -> Replies:
        for _ in range(TRIES):
            async for note in self.until_ready():
                yield Progress(phase="loading", note=note)
            pipeline = self.pipeline
            assert pipeline
            try:
                async with aclosing(start(pipeline)) as replies:
                    async for progress in replies:
                        yield progress
                return
            except EndedError:  # before its turn had come: it waits for the model to be there again
                self._lost(pipeline)
        raise EndedError(t("error.model_ended"))

    def _lost(self, pipeline: Pipeline) -> None:
        """The pipeline's model is gone."""
        if self.pipeline is pipeline:
            self.pipeline = None
            self.ensure_started()

    def _on_progress(self, progress: str) -> None:
        self.progress = progress
        log.info("%s", progress)

    def _fail(self, error: str) -> None:
        self.error, self._failed_at = error, time.monotonic()
