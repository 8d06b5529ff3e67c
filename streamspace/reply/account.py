"""Keeps account of every reply, whatever the door: how it ended and what it took, for the log and for who listens.

Who may have a reply, and when, is decided elsewhere; here its refusal is noted too.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager

from streamspace.errors import BusyError, ClosingError, LimitError, QuotaError, RequestError, StreamspaceError
from streamspace.i18n import LazyText
from streamspace.reply.progress import Progress, Replies
from streamspace.reply.request import Caller

log = logging.getLogger(__name__)
ENDS = {"stop": "done", "cancelled": "stopped"}  # others are called as the engine calls them: length, timeout
ERRORS: dict[type[BaseException], str] = {  # the first that fits; without one it has failed
    ClosingError: "closing",
    LimitError: "limited",
    BusyError: "busy",
    RequestError: "refused",
    QuotaError: "quota",
    GeneratorExit: "stopped",  # by the visitor, or the client has gone: Gradio does the same at both
    asyncio.CancelledError: "stopped",
}
OUTCOMES = tuple(dict.fromkeys(("done", "length", "timeout", "stopped", *ERRORS.values(), "failed")))


class Account:
    """What is known of one reply so far. Times are seconds from when it was asked for; None where there is none yet."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.outcome = "failed"
        self.reason = ""
        self.now = Progress()
        self.waited = 0.0
        self.first: float | None = None
        self.took = 0.0
        self.computed_from: float | None = None  # when the model was first seen to read the prompt, or to write
        self._began = time.monotonic()

    def note(self, progress: Progress) -> None:
        """Takes the next step of the reply into account."""
        self._tick()
        self.now = progress
        if progress.tokens and self.first is None:
            self.first = self.took
        if progress.phase in ("prefill", "decode") and self.computed_from is None:
            self.computed_from = self.took

    def end(self, error: BaseException | None) -> None:
        """Notes how the reply ended; one whose last step was taken is complete, whatever comes after it."""
        self._tick()
        if self.now.end:
            self.outcome = ENDS.get(self.now.end.reason, self.now.end.reason)
        elif error:
            self.outcome = next((told for kind, told in ERRORS.items() if isinstance(error, kind)), "failed")
            self.reason = _reason(error) if self.outcome != "stopped" else ""

    @property
    def speed(self) -> float | None:
        """Tokens per second after the first, of a reply that came to an end of its own."""
        end = self.now.end
        writing = end.duration - end.time_to_first_token if end else 0.0
        return (end.tokens - 1) / writing if end and end.tokens > 1 and writing > 0 else None

    @property
    def gpu_seconds(self) -> tuple[int, float]:
        """What the reply asked ZeroGPU for, and what it used of that; nothing where it got no GPU."""
        asked, end = self.now.gpu_seconds, self.now.end
        if not asked or (end is None and self.computed_from is None):
            return 0, 0.0
        return asked, end.duration if end else self.took - (self.computed_from or 0.0)

    def _tick(self) -> None:
        """The time since the last step was spent in the queue, if the reply was there."""
        before, self.took = self.took, time.monotonic() - self._began
        self.waited += self.took - before if self.now.position else 0.0

    def __str__(self) -> str:
        """The line of the log, in `key=value` pairs. No text of the visitor's or the model's is in it, and no address.

        A - is what isn't known.
        """
        end, speed = self.now.end, self.speed
        values = {
            "id": self.caller.id,
            "door": self.caller.door,
            "visitor": self.caller.key,
            "outcome": self.outcome,
            "reason": self.reason,
            "waited": f"{self.waited:.2f}",
            "first": "" if self.first is None else f"{self.first:.2f}",
            "took": f"{self.took:.2f}",
            "prompt": str(end.prompt_tokens) if end else "",
            "reused": str(end.reused_tokens) if end else "",
            "tokens": str(self.now.tokens),
            "speed": "" if speed is None else f"{speed:.1f}",
        }
        return "reply " + " ".join(f"{name}={value or '-'}" for name, value in values.items())


class Accounts:
    """The accounts of all replies; each is told to all `listeners` when it is closed."""

    def __init__(self) -> None:
        self.listeners: list[Callable[[Account], None]] = [lambda account: log.info("%s", account)]

    async def kept(self, caller: Caller, replies: Replies) -> Replies:
        """The steps of a reply as they are; its account is closed when it ends, however that is."""
        with self._account(caller) as account:
            async with aclosing(replies):
                async for progress in replies:
                    account.note(progress)
                    yield progress

    @contextmanager
    def refusals(self, caller: Caller) -> Iterator[None]:
        """Accounts for a request that the block refuses before it becomes a reply."""
        try:
            yield
        except StreamspaceError:
            with self._account(caller):
                raise

    @contextmanager
    def _account(self, caller: Caller) -> Iterator[Account]:
        account, error = Account(caller), None
        try:
            yield account
        except BaseException as raised:
            error = raised
            raise
        finally:
            account.end(error)
            for listener in self.listeners:
                listener(account)


def _reason(error: BaseException) -> str:
    """Which text the visitor reads, by its key; else the kind of the error, of ours as `errors` has it."""
    text = error.args[0] if error.args else None
    if isinstance(text, LazyText):
        return text.key.removeprefix("error.")
    ours = (kind for kind in type(error).__mro__ if kind.__module__ == StreamspaceError.__module__)
    return next(ours, type(error)).__name__
