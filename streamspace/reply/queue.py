"""The line of replies that wait for the model: first come, first served, each told its place."""

from __future__ import annotations

import asyncio

from streamspace.errors import RequestError
from streamspace.reply.bridge import wait
from streamspace.texts import say


class Ticket:
    """A place in the line."""

    def __init__(self) -> None:
        self.moved = asyncio.Event()


class Line:
    """Serves the first `at_once` of those in it; up to `most` more may wait. For the coroutines of one event loop."""

    def __init__(self, at_once: int, most: int) -> None:
        self._at_once = at_once
        self._most = most
        self._tickets: list[Ticket] = []

    def join(self) -> Ticket:
        """A ticket at the end of the line. Raises RequestError when too many wait already."""
        if len(self._tickets) >= self._at_once + self._most:
            raise RequestError(say("error.full", waiting=self._most))
        ticket = Ticket()
        self._tickets.append(ticket)
        return ticket

    def place(self, ticket: Ticket) -> int:
        """How many turns away the ticket's is: 0 is being served, 1 is the next."""
        return max(self._tickets.index(ticket) + 1 - self._at_once, 0)

    async def move(self, ticket: Ticket, seconds: float = 0.5) -> None:
        """Waits until the line has moved, but no longer than that, so that one who has gone is noticed."""
        ticket.moved.clear()
        await wait(ticket.moved, seconds)

    def length(self) -> tuple[int, int]:
        """How many are being served, and how many wait."""
        served = min(len(self._tickets), self._at_once)
        return served, len(self._tickets) - served

    def leave(self, ticket: Ticket) -> None:
        """Takes the ticket out, served or not; those behind it move up."""
        self._tickets.remove(ticket)
        for other in self._tickets:
            other.moved.set()
