"""Ends a call of Gradio's API whose steps nobody reads: a call is one request, and opening its stream another.

Gradio keeps the messages of such a call, and something of each other one; here that is forgotten, too.
"""

from __future__ import annotations

import time
import weakref
from typing import Any

from streamspace.errors import RequestError
from streamspace.i18n import t
from streamspace.reply.bridge import READER_TIMEOUT

KEPT = 30.0  # seconds for which messages wait to be read once their call has ended
INTERVAL = 5.0  # seconds between two looks at what is kept


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


class Leftovers:
    """What Gradio's queue keeps of sessions without a call: the messages of 2000, and the ended calls of all."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, float]] = {}
        self._looked = 0.0

    def forget(self, queue: Any) -> None:
        """Forgets those of which nobody has read a message for a while. Called before each step of any call."""
        now = time.monotonic()
        if now - self._looked < INTERVAL:
            return
        self._looked, seen = now, {}
        for session, messages in list(queue.pending_messages_per_session.items()):
            if not queue.event_ids_to_events.keys().isdisjoint(queue.pending_event_ids_session.get(session, ())):
                continue
            waiting, (before, since) = messages.qsize(), self._seen.get(session, (0, now))
            seen[session] = waiting, now if waiting < before else since
            if now - seen[session][1] > KEPT:
                del seen[session], queue.pending_messages_per_session[session]
                queue.pending_event_ids_session.pop(session, None)
        self._seen = seen
