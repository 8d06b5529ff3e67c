"""Ends a call of Gradio's API whose steps nobody reads: a call is one request, and opening its stream another."""

from __future__ import annotations

import time
import weakref
from typing import Any

from streamspace.errors import RequestError
from streamspace.i18n import t
from streamspace.reply.bridge import READER_TIMEOUT


class Readers:
    """Since when the messages to each session only become more, by how many of them wait."""

    def __init__(self) -> None:
        self._seen: weakref.WeakKeyDictionary[Any, tuple[int, float | None]] = weakref.WeakKeyDictionary()

    def check(self, messages: Any) -> None:
        """Called before each step, with the messages that wait. Raises RequestError where nobody reads them."""
        if messages is None:
            return
        waiting, now = messages.qsize(), time.monotonic()
        before, since = self._seen.get(messages, (0, None))
        # From when it is seen: a step may take long, and its message may only just have come.
        since = None if waiting <= before else since or now
        self._seen[messages] = (waiting, since)
        if since and now - since > READER_TIMEOUT:
            raise RequestError(t("error.unread", seconds=READER_TIMEOUT))
