"""One reply: what computes it puts tokens or text in, its reader takes events out, the last a Finished or a Failure."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator

from streamspace.engines.decode import Decoder, StopStrings
from streamspace.engines.outbox import Outbox
from streamspace.engines.parts import Parser
from streamspace.engines.pieces import Piece
from streamspace.events import (
    Event,
    Failure,
    Finished,
    Heartbeat,
    Kind,
    Part,
    Reason,
    Request,
    Scored,
    TextDelta,
)
from streamspace.i18n import LazyText

ANSWER = ("answer", None)  # the kinds of what is, or may be, the answer
CANCELLED = Finished("cancelled", 0, 0.0, 0.0)  # of a reply that was stopped before it had begun


class Reply:
    """A reply decides when it is complete; `ended` then says so to what computes it.

    With a `decoder` it takes tokens, of which `end_tokens` end it; without, text. A `parser` takes the text apart; stop
    strings end only an answer. `score`, if there is one, tells how likely the last token was.
    """

    def __init__(
        self,
        request: Request,
        stop: threading.Event,
        decoder: Decoder | None = None,
        end_tokens: frozenset[int] = frozenset(),
        parser: Parser | None = None,
    ) -> None:
        self.request = request
        self.ended = False
        self.tokens = 0
        self.prompt_tokens = len(request.prompt)
        self.reused_tokens = 0
        self.end_tokens = end_tokens
        self._answer: list[str] = []
        self._stop = stop
        self._decoder = decoder
        self._parser = parser
        self.score: Callable[[int], Scored] | None = None
        self._scored: tuple[Scored, ...] = ()  # of the answer, whose text isn't out yet
        self._stop_strings = StopStrings(request.sampling.stop)
        self._outbox = Outbox()
        self._started = time.monotonic()
        self._first = 0.0
        self._delivered = False  # whether the reader has the last event

    @property
    def begun(self) -> bool:
        """Whether the first token has come."""
        return self._first > 0

    @property
    def answer(self) -> str:
        """What there is of the answer, without what is held back."""
        return "".join(self._answer)

    @property
    def kind(self) -> str | None:
        """What the next token is part of; None while that isn't certain."""
        return self._parser.kind if self._parser else "answer"

    def only_answer(self) -> None:
        """All that comes is answer, also what looks like the tag of another part."""
        if self._parser:
            self._add(self._parser.flush())
            self._parser = None

    def add_token(self, token: int) -> None:
        """The next token; one that comes after the end is left out."""
        assert self._decoder
        if self.ended:
            return
        self._first = self._first or self._elapsed()
        if token in self.end_tokens:
            self.finish("stop")
            return
        self.tokens += 1
        if self.score:
            self.note([self.score(token)])
        self._take_apart(self._decoder.push(token))
        reason = self._cut() or ("length" if self.tokens == self.request.sampling.max_new_tokens else None)
        if reason and not self.ended:
            self.finish(reason)

    def note(self, scored: Iterable[Scored]) -> None:
        """How likely the tokens of the text were that comes next, if that is of the answer."""
        self._scored += (*scored,) if self.kind in ANSWER else ()

    def add_text(self, text: str, kind: Kind | None = None) -> None:
        """The next text: of this kind, or one that is still to be taken apart."""
        self._first = self._first or self._elapsed()
        if kind is None:
            self._take_apart(text)
        else:
            self._add([Part(kind, text)])
        if not self.ended and (reason := self._cut()):
            self.finish(reason)

    def finish(self, reason: Reason) -> None:
        """The last events. What a stop string held back is text after all; half a character is not, if more was due."""
        decoder = self._decoder if reason in ("stop", "length") else None
        self._take_apart(decoder.flush() if decoder else "")
        if self._parser and not self.ended:
            self._add(self._parser.flush())
        if not self.ended:
            self._put_text(self._stop_strings.flush())
            self._finish(reason)

    def fail(self, reason: LazyText) -> None:
        """The last event when the reply can't be computed."""
        self.ended = True
        self._outbox.put(Failure(reason))

    def leave(self) -> None:
        """What computes it puts nothing more in; a reply that hasn't ended may be computed elsewhere."""
        self._outbox.put(None)

    def events(
        self, alive: Callable[[], bool] = lambda: True, next_token: bool = False
    ) -> Generator[Event, None, bool]:
        """Yields events, and Heartbeats in silence, to the end; returns False when it was left before.

        It is left as well when `alive()` is false in a silence. `next_token` returns after the next token already.
        """
        tokens = self.tokens
        with self._outbox.open():
            while not self._delivered:
                taken = self._outbox.take()
                if not taken and not alive():
                    return False
                for event in taken or [Heartbeat("decode" if self.begun else "prefill")]:
                    if event is None:
                        return False
                    self._delivered = isinstance(event, Finished | Failure)
                    yield event
                if next_token and self.tokens > tokens:
                    break
        return True

    def interruptible_events(self) -> Iterator[Event]:
        """As `events`, for what may be silent for long: the reader's side looks at `stop` and the time limit itself."""
        for event in self.events():
            yield event
            if not isinstance(event, Finished | Failure) and (reason := self._cut()):
                self.ended = True
                yield self._finished(reason)
                return

    def _take_apart(self, text: str) -> None:
        self._add(self._parser.push(text) if self._parser else [Part("answer", text)])
        if self.kind not in ANSWER:
            self._scored = ()  # it was a tag

    def _add(self, pieces: list[Piece]) -> None:
        for piece in pieces:
            if isinstance(piece, Part) and piece.kind == "answer":
                shown, hit = self._stop_strings.push(piece.text)
                self._put_text(shown)
                if hit:
                    self._finish("stop")
                    return
                continue
            self._put_text(self._stop_strings.flush())
            self._outbox.put(TextDelta(piece.text, self.tokens, piece.kind) if isinstance(piece, Part) else piece)

    def _cut(self) -> Reason | None:
        """Why the reply must end now, if it must."""
        if self._stop.is_set():
            return "cancelled"
        limit = self.request.time_limit
        return "timeout" if limit is not None and self._elapsed() >= limit else None

    def _put_text(self, text: str) -> None:
        if text:
            self._answer.append(text)
            scored, self._scored = self._scored, ()
            self._outbox.put(TextDelta(text, self.tokens, scored=scored))

    def _finish(self, reason: Reason) -> None:
        self.ended = True
        self._outbox.put(self._finished(reason))

    def _finished(self, reason: Reason) -> Finished:
        first, took = round(self._first, 4), round(self._elapsed(), 4)
        return Finished(reason, self.tokens, first, took, self.prompt_tokens, self.reused_tokens)

    def _elapsed(self) -> float:
        return time.monotonic() - self._started
