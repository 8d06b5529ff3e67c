"""The places of llama.cpp's server: side by side where they can be, and each conversation in its visitor's hands."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from random import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamspace.engines import llama_cache
from streamspace.engines.llama_cache import Places
from streamspace.errors import GenerationError

BEGINNING = b"the Space's own"
PLACES, SIZE, VISITORS = 6, 1000, ["", "ann", "bob", "cid", "dee", "eve", "fay", "gus"]


@dataclass
class Server:
    """Saves and loads what its places hold, as llama.cpp's does, through files of this process."""

    holds: list[bytes] = field(default_factory=lambda: [b""] * PLACES)
    fails: type[Exception] | None = None
    asked: list[str] = field(default_factory=list)
    waits: Callable[[], object] = lambda: None

    def ask(self, path: str, content: Any, timeout: float) -> Any:
        place, action = path.removeprefix("/slots/").split("?action=")
        self.asked.append(action)
        self.waits()
        if self.fails:
            raise self.fails("no")
        with open(f"/proc/self/fd/{content['filename']}", "wb" if action == "save" else "rb") as file:
            if action == "save":
                file.write(self.holds[int(place)].ljust(SIZE))
            else:
                self.holds[int(place)] = file.read().strip()


def begun(count: int, server: Server, limit: int = 100 * SIZE) -> Places:
    """Places with what all conversations begin with."""
    places = Places(count, server.ask, limit)
    server.holds[0] = BEGINNING
    if places.keeps:
        places.begin(0)
    return places


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


steps = st.lists(st.tuples(st.sampled_from(VISITORS), st.integers(0, PLACES)), max_size=60)


@given(steps=steps, limit=st.sampled_from([0, 2 * SIZE, 100 * SIZE]))
def test_nobody_gets_anybody_elses_conversation_and_places_in_use_lie_side_by_side(
    steps: list[tuple[str, int]], limit: int
) -> None:
    """Each step: a visitor's reply begins, once so many of those that are being written have ended."""
    before, server = open_files(), Server()
    places = begun(PLACES, server, limit)
    writing: list[tuple[int, ExitStack]] = []
    latest: dict[str, bytes] = {}
    for turn, (visitor, ending) in enumerate(steps):
        for _ in range(max(ending, 1 if len(writing) == PLACES else 0)):
            if writing:
                writing.pop(0)[1].close()
        used = {place for place, _ in writing}
        stack = ExitStack()
        place, goes_on = stack.enter_context(places.place(visitor))
        assert place not in used
        best = max(((each - 1 in used) + (each + 1 in used) for each in range(PLACES) if each not in used), default=0)
        assert (place - 1 in used) + (place + 1 in used) == best
        assert goes_on or not limit
        if goes_on:
            assert server.holds[place] in (latest.get(visitor), BEGINNING)
        server.holds[place] = f"{visitor} {turn}".encode()  # the reply
        text = server.holds[place]
        stack.callback(lambda visitor=visitor, text=text: latest.update({visitor: text}))
        writing.append((place, stack))
    for _, stack in writing:
        stack.close()
    kept = open_files() - before
    assert kept * SIZE <= limit + SIZE  # the beginning is there as well
    for each in (*places._kept.values(), places._beginning):
        if each:
            each.drop()
    assert open_files() == before


def begin(places: Places, visitor: str) -> tuple[int, bool]:
    with places.place(visitor) as got:
        return got


def test_a_conversation_is_brought_to_where_its_next_turn_is_written() -> None:
    server = Server()
    places = Places(2, server.ask, 100 * SIZE)
    with places.place("ann") as ann:
        assert ann == (0, False)
        server.holds[0] = b"ann's"
    with places.place("bob") as bob, places.place("ann") as again:
        assert (bob, again) == ((1, False), (0, True))
    assert server.asked == ["save"] * 3  # hers was free, and beside the one in use
    with places.place("bob"), places.place("cid") as cid:
        assert cid == (0, False)
    with places.place("cid"), places.place("ann") as moved:
        assert moved == (1, True)
        assert server.holds[1] == b"ann's"
    assert server.asked == [*["save"] * 5, "restore", *["save"] * 2]


@contextmanager
def being_saved(places: Places, server: Server, seconds: float) -> Iterator[threading.Event]:
    """While a reply to Ann is being saved, for so long or until the event is set."""
    slow, go_on = threading.Event(), threading.Event()

    def ann() -> None:
        with places.place("ann"):
            server.waits = lambda: (slow.set(), go_on.wait(seconds))

    with ThreadPoolExecutor() as pool:
        writing = pool.submit(ann)
        assert slow.wait(20)
        server.waits = lambda: None
        yield go_on
        writing.result()


def test_nobody_waits_for_what_is_saved_or_loaded_for_others() -> None:
    server = Server()
    places = Places(2, server.ask, 100 * SIZE)
    with being_saved(places, server, 20) as go_on:
        assert begin(places, "bob") == (1, False)
        go_on.set()
    assert begin(places, "ann") == (0, True)


def test_a_next_turn_that_comes_at_once_waits_until_the_one_before_is_kept() -> None:
    server = Server()
    places = Places(2, server.ask, 100 * SIZE)
    with being_saved(places, server, 0.2):
        assert begin(places, "ann") == (0, True)


@pytest.mark.parametrize("visitor", ["ann", ""])
def test_replies_of_one_visitor_that_end_in_the_same_moment_are_all_kept(visitor: str) -> None:
    server, together = Server(), threading.Barrier(PLACES)
    places = Places(PLACES, server.ask, 100 * SIZE)

    def reply() -> None:
        with places.place(visitor):
            together.wait(20)
            server.waits = lambda: time.sleep(random() / 50)

    with ThreadPoolExecutor(PLACES) as pool:
        for _ in range(20):
            for writing in [pool.submit(reply) for _ in range(PLACES)]:
                writing.result()
    assert sorted(places._free) == list(range(PLACES))
    assert places._saving == []


@pytest.mark.parametrize("fails", [GenerationError, TimeoutError])
def test_where_the_server_fails_the_conversation_is_read_again(fails: type[Exception]) -> None:
    server, before = Server(), open_files()
    places = Places(1, server.ask, 100 * SIZE)
    server.fails = fails
    assert begin(places, "ann") == (0, False)
    assert begin(places, "bob") == (0, False)
    assert begin(places, "ann") == (0, False)
    # Without an answer the server may write to the file yet: its number must not become another conversation's.
    assert open_files() - before == (0 if fails is GenerationError else 3)


def test_a_limit_holds_and_the_longest_unused_goes_first() -> None:
    server = Server()
    places = Places(1, server.ask, 2 * SIZE)
    for visitor in ("ann", "bob", "cid"):
        assert begin(places, visitor) == (0, False)
    assert begin(places, "bob") == (0, True)
    assert begin(places, "ann") == (0, False)
    assert begin(places, "bob") == (0, True)
    assert begin(places, "cid") == (0, False)


def test_so_many_are_kept_as_a_process_can_have_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llama_cache, "MOST", 3)
    before, places = open_files(), Places(1, Server().ask, 100 * SIZE)
    for number in range(10):
        begin(places, f"visitor {number}")
    assert open_files() - before == 3

    def full(name: str) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "memfd_create", full)
    assert begin(places, "ann") == (0, False)
    assert begin(places, "ann") == (0, True)  # it is there yet, and the place was given back


def test_newcomers_go_on_from_the_spaces_own_beginning_also_after_others() -> None:
    server = Server()
    places = begun(1, server)
    for visitor in ("ann", "bob", "", "cid"):
        with places.place(visitor) as got:
            assert (got, server.holds) == ((0, True), [BEGINNING, *[b""] * (PLACES - 1)])
            server.holds[0] = f"{visitor}'s".encode()
    with places.place("ann") as got:
        assert (got, server.holds[0]) == ((0, True), b"ann's")


@pytest.mark.parametrize("fails", [GenerationError, TimeoutError])
def test_a_beginning_that_cannot_be_loaded_is_not_gone_on_from(fails: type[Exception]) -> None:
    server, before = Server(), open_files()
    places = begun(1, server)
    server.fails = fails
    for _ in range(2):
        assert begin(places, "") == (0, False)
    assert open_files() - before == (0 if fails is GenerationError else 1)
