"""Which place of llama.cpp's server each reply gets, and what is kept there of a conversation for its next turn."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from streamspace.errors import GenerationError

FILES = "/proc/self/fd"  # Linux: where a process finds its open files by their numbers
PATIENCE = 600.0  # seconds: the server answers between two passes, and one over a long prompt takes its time
MOST = 200  # conversations: each is an open file, of which a process may have 1024 where nobody has raised that
Ask = Callable[[str, object, float], Any]  # the server: a path, what it is sent, and seconds to wait


class Memory:
    """What a place held of a conversation: a file without a name, which is in memory only.

    It is told to the server by its number in this process. Where an answer failed to come, the server may still use
    the number, so that the file stays open and no other can get it.
    """

    def __init__(self) -> None:
        self._number = os.memfd_create("conversation")
        self._is_there = True

    @property
    def bytes(self) -> int:
        """Its size."""
        return os.fstat(self._number).st_size

    def moved(self, ask: Ask, action: str, place: int) -> bool:
        """Whether the server did it: `save` a place here, or `restore` it from here."""
        if not self._is_there:
            return False
        try:
            ask(f"/slots/{place}?action={action}", {"filename": str(self._number)}, PATIENCE)
        except GenerationError:
            self.drop()
            return False
        except OSError:
            return False
        return True

    def drop(self) -> None:
        """Gives the memory back."""
        if self._is_there:
            os.close(self._number)
        self._is_there = False


class Places:
    """The server's `count` places, of which as many are asked for at once as there are.

    Those in use lie side by side where they can: llama.cpp makes a pass of its own for each group that does
    (https://github.com/ggml-org/llama.cpp/pull/14511), and each pass reads all weights. So a visitor may get another
    place in the next turn, and what is kept of the conversation is brought there from memory, which holds `limit`
    bytes of all. Nobody goes on from anybody else's, else the time to the first token would tell what others asked.
    What all conversations begin with is the Space's own, and newcomers go on from that.
    """

    def __init__(self, count: int, ask: Ask, limit: int) -> None:
        self._ask = ask
        self._limit = limit if os.path.isdir(FILES) else 0  # elsewhere it would be on the disk
        self._free = dict.fromkeys(range(count))  # the longest unused first
        self._holds = [""] * count  # whose conversation is in each place; nobody's where a reply is being written
        self._kept: dict[str, Memory] = {}  # by visitor, the longest unused first
        self._saving: list[str] = []  # whose conversations are on their way to memory
        self._beginning: Memory | None = None
        self._changed = threading.Condition()  # never held while the server is asked, which may be in a long pass

    @property
    def keeps(self) -> bool:
        """Whether anything is kept in memory."""
        return self._limit > 0

    def begin(self, place: int) -> None:
        """What all conversations begin with is in this place now."""
        self._beginning = self._saved(place)

    @contextmanager
    def place(self, visitor: str) -> Iterator[tuple[int, bool]]:
        """A place, and whether the reply may go on from what it holds, for as long as the block lasts."""
        with self._changed:
            self._changed.wait_for(lambda: visitor not in self._saving, PATIENCE)  # an agent's next turn comes at once
            used = set(range(len(self._holds))).difference(self._free)
            # Beside those in use, then the visitor's own, then the longest unused.
            place = min(self._free, key=lambda at: (-len({at - 1, at + 1} & used), self._holds[at] != visitor))
            del self._free[place]
            held, self._holds[place] = self._holds[place], ""
            kept = None if held == visitor else self._kept.pop(visitor, None)
        try:
            yield place, bool(visitor and held == visitor) or self._loaded(place, kept)
        finally:
            with self._changed:
                self._saving.append(visitor)
            saved = self._saved(place) if visitor and self.keeps else None
            with self._changed:
                self._saving.remove(visitor)
                self._keep(visitor, saved)
                self._holds[place] = visitor
                self._free[place] = None
                self._changed.notify_all()

    def _loaded(self, place: int, kept: Memory | None) -> bool:
        if kept and kept.moved(self._ask, "restore", place):
            kept.drop()
            return True
        return bool(self._beginning and self._beginning.moved(self._ask, "restore", place))

    def _saved(self, place: int) -> Memory | None:
        with suppress(OSError):  # there can be no more files
            memory = Memory()
            return memory if memory.moved(self._ask, "save", place) else None
        return None

    def _keep(self, visitor: str, saved: Memory | None) -> None:
        """Puts what was saved in the place of all that is there of the visitor's earlier turns."""
        self._holds = ["" if each == visitor else each for each in self._holds]
        if earlier := self._kept.pop(visitor, None):
            earlier.drop()
        if saved:
            self._kept[visitor] = saved
        while len(self._kept) > MOST or sum(each.bytes for each in self._kept.values()) > self._limit:
            self._kept.pop(next(iter(self._kept))).drop()
