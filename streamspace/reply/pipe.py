"""Starts another program of ours, and exchanges small tuples with it, as pickles: down one pipe, and up another."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

END = 5.0  # seconds for the program to end by itself


class Program:
    """A running program, from its start to its end. It ends when this process does, however that is: its pipe closes.

    `patience` is how many seconds it may read nothing while something is sent.
    """

    def __init__(self, arguments: Sequence[str], patience: float) -> None:
        self.ending = False
        self._patience = patience
        self._killed = ""  # why, if it was
        self._sending = threading.Lock()
        self._process = subprocess.Popen(  # noqa: S603  no shell
            [sys.executable, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
        )
        self.pid = self._process.pid
        assert self._process.stdin
        assert self._process.stdout
        self._down, self._up = self._process.stdin, self._process.stdout

    def send(self, *message: Any) -> None:
        """Sends a message. Raises EOFError where the program has ended, or is being ended."""
        data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        if not self._sending.acquire(timeout=self._patience):  # another message isn't read
            self.kill(f"read nothing for {self._patience:.0f} s")
            raise EOFError
        try:
            self._down.write(data)
            self._down.flush()
        except (OSError, ValueError):
            raise EOFError from None
        finally:
            self._sending.release()

    def receive(self) -> Any:
        """The next message, once it is there. For one thread. Raises EOFError where there are no more."""
        try:
            return pickle.load(self._up)  # noqa: S301  it is our own program
        except (EOFError, OSError, ValueError, pickle.UnpicklingError):
            raise EOFError from None

    def kill(self, why: str) -> None:
        """Kills the program; `cause` then says why."""
        self._killed = why
        self._process.kill()

    def end(self) -> None:
        """Ends the program, by force where it doesn't in time."""
        self.ending = True
        with suppress(OSError):
            self._down.close()
        try:
            self._process.wait(END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def close(self) -> str:
        """Closes the pipes of a program that has ended, and says how it did."""
        for pipe in (self._down, self._up):
            with suppress(OSError):
                pipe.close()
        code = self._process.wait()
        if self._killed:
            return self._killed
        memory = ", as the system ends what takes too much memory" if code == -9 else ""
        return f"was ended by signal {-code}{memory}" if code < 0 else f"ended with code {code}"
