"""Ends the process in order: no new replies, those that are being written to their end, then the server."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from types import FrameType

import gradio as gr

from streamspace.reply.loader import Loader

log = logging.getLogger(__name__)
SIGNALS = (signal.SIGTERM, signal.SIGINT)
GIVE_UP = 5.0  # seconds for the replies that are cut to end; a model may be in a long step
LAST_WORDS = 1.0  # seconds in which the ends of replies reach their clients: Gradio would send an error instead
STEP = 0.05  # seconds


class Ending:
    """The end of this process, which a signal asks for. A second signal asks not to wait for replies."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._again = threading.Event()
        if threading.current_thread() is threading.main_thread():  # `gradio app.py` runs app.py again in another
            for each in SIGNALS:
                signal.signal(each, self._on_signal)

    def wait(self, page: gr.Blocks, loader: Loader) -> None:
        """Waits for a signal, then ends everything, and the process with exit code 0."""
        self._asked.wait()
        grace = loader.config.limits.grace
        loader.close()
        writing, _ = loader.busy
        log.info("Ending. Replies being written: %d; they have up to %d s", writing, grace)
        if not self._idle(loader, grace):
            loader.end()
            self._idle(loader, GIVE_UP)
        time.sleep(LAST_WORDS)
        page.close(verbose=False)
        if loader.pipeline:
            loader.pipeline.engine.close()
        logging.shutdown()
        sys.stdout.flush()
        os._exit(0)  # the interpreter's own end would take threads out of torch, which ends the process by a crash

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        (self._again if self._asked.is_set() else self._asked).set()

    def _idle(self, loader: Loader, seconds: float) -> bool:
        """Waits until no reply is being written; False where some still are."""
        until = time.monotonic() + seconds
        while any(loader.busy) and time.monotonic() < until and not self._again.is_set():
            time.sleep(STEP)
        return not any(loader.busy)
