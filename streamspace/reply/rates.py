"""Limits what one visitor may have: replies in a minute, replies at once, tokens in a day; who that is, `web` says."""

from __future__ import annotations

import math
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from streamspace.config.limits import Limits
from streamspace.errors import LimitError
from streamspace.i18n import t

MINUTE, HOUR, DAY = 60, 3600, 86_400  # seconds
SLICES = 60  # of a window, whose amounts are added up: a visitor takes no more memory, whatever the limit
VISITORS = 10_000  # that are remembered; the one who has had nothing for the longest is forgotten


class Window:
    """What each visitor had in the last `seconds`. Who has had less than `most` may have more, however much that is."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._slice = seconds / SLICES
        self._had: OrderedDict[str, dict[float, int]] = OrderedDict()  # amounts by the end of their slice

    @property
    def size(self) -> int:
        """How many amounts are remembered."""
        return sum(map(len, self._had.values()))

    def wait(self, visitor: str, now: float) -> float:
        """The seconds until a visitor may have more; 0 is now."""
        had = self._recent(visitor, now)
        used, until = sum(had.values()), 0.0
        for end, amount in had.items():
            if used < self._most:
                break
            used, until = used - amount, end + self._seconds - now
        return until

    def add(self, visitor: str, amount: int, now: float) -> None:
        """Counts what a visitor has."""
        had, end = self._recent(visitor, now), (now // self._slice + 1) * self._slice
        self._had[visitor] = {**had, end: had.get(end, 0) + amount}
        self._had.move_to_end(visitor)
        if len(self._had) > VISITORS:
            self._had.popitem(last=False)

    def _recent(self, visitor: str, now: float) -> dict[float, int]:
        return {end: amount for end, amount in self._had.get(visitor, {}).items() if end > now - self._seconds}


@dataclass
class Place:
    """A reply that counts: how many `tokens` it has so far."""

    tokens: int = 0


class Rates:
    """The limits of a config, for all visitors. One whom nothing tells from others has none."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._minute = Window(limits.per_minute, MINUTE) if limits.per_minute else None
        self._day = Window(limits.tokens_per_day, DAY) if limits.tokens_per_day else None
        self._now: Counter[str] = Counter()

    @contextmanager
    def place(self, visitor: str) -> Iterator[Place]:
        """A visitor's reply for the length of the block. Raises LimitError where it is one too many."""
        place = Place()
        self.check(visitor)
        if self._minute and visitor:
            self._minute.add(visitor, 1, time.monotonic())
        self._now[visitor] += 1
        try:
            yield place
        finally:
            self._now[visitor] -= 1
            self._now += Counter()  # forgets those at 0
            if self._day and place.tokens:
                self._day.add(visitor, place.tokens, time.monotonic())

    def check(self, visitor: str) -> None:
        """Raises LimitError where a reply would be one too many. Nothing is counted."""
        if not visitor:
            return
        limits, now = self._limits, time.monotonic()
        if limits.at_once and self._now[visitor] >= limits.at_once:
            raise LimitError(t("error.limit_at_once", most=limits.at_once))
        if self._day and (seconds := self._day.wait(visitor, now)):
            told = t("error.limit_tokens", most=limits.tokens_per_day, hours=math.ceil(seconds / HOUR * 10) / 10)
            raise LimitError(told, retry_after=math.ceil(seconds))
        if self._minute and (seconds := self._minute.wait(visitor, now)):
            wait = math.ceil(seconds)
            raise LimitError(t("error.limit_minute", most=limits.per_minute, seconds=wait), retry_after=wait)
