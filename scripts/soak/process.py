"""What is measured of a running app: at quiet moments its places, threads, files and memory; all along its pulse."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import urlsplit
from urllib.request import urlopen

import psutil

from tests.running import App

BEAT = 0.02  # seconds between two requests of the pulse
SETTLING = 40.0  # seconds in which what visitors left has to end
CALM = 2.0  # seconds without a change after which the app is quiet
PATIENCE = 20.0  # seconds for the app to tell of itself
CALL = r'File "(.*)", line \d+ in'
WAIT = re.compile(r".*/(?:threading|queue)\.py")
POOL = re.compile(r".*/(?:concurrent/futures/thread|anyio/_backends/_asyncio)\.py")
USED = re.compile(r"bytes in use: (\d+)")
REQUESTS = re.compile(r"^streamspace_requests_total\{.*\} (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Quiet:
    """The app at a quiet moment: the chats so far, replies that hold a place, open files, threads.

    `used` are the bytes of memory in use, `resident` those that the process holds for later as well.
    """

    chats: int
    busy: int
    files: int
    threads: int
    used: int
    resident: int


class Process:
    """A running app that `started` has started, with its model's process, if that has one."""

    def __init__(self, app: App) -> None:
        self._app = app
        own = psutil.Process(app.process.pid)
        self._processes = [own, *own.children()]

    async def quiet(self) -> Quiet:
        """The app once it holds no place and the number of its files stays the same, or when patience ends."""
        began = since = time.monotonic()
        before = self._held()
        while time.monotonic() - began < SETTLING and (before[0] or time.monotonic() - since < CALM):
            await asyncio.sleep(0.25)
            found = self._held()
            since = since if found == before else time.monotonic()
            before = found
        told = await asyncio.to_thread(self.tell)
        used = sum(int(each) for text in told for each in USED.findall(text))
        threads = sum(map(_threads, self._processes, told))
        resident = sum(each.memory_info().rss for each in self._processes)
        return Quiet(self._chats(), *before, threads, used, resident)

    def _held(self) -> tuple[int, int]:
        """How many places and files."""
        files = sum(each.num_fds() for each in self._processes)  # before the connection by which the rest is asked
        health = json.loads(self._get("/health"))
        return health["writing"] + health["waiting"], files

    def _chats(self) -> int:
        return sum(int(float(each)) for each in REQUESTS.findall(self._get("/metrics")))

    def tell(self) -> list[str]:
        """What each process tells of itself; what it has in use counts from the first time on."""
        return [self._told(each) for each in self._processes]

    def _told(self, process: psutil.Process) -> str:
        told = len(self._app.log)
        process.send_signal(signal.SIGUSR1)
        until = time.monotonic() + PATIENCE
        while "Current thread" not in self._app.log[told:] and time.monotonic() < until:
            time.sleep(0.25)
        time.sleep(0.25)
        return self._app.log[told:]

    def _get(self, path: str) -> str:
        with urlopen(f"{self._app.url}{path}", timeout=10) as answer:
            return answer.read().decode()


def _threads(process: psutil.Process, told: str) -> int:
    """How many a process has, without those that wait in a pool for work: a pool grows with its load, up to a bound."""
    calls = [re.findall(CALL, thread) for thread in told.split("hread 0x")[1:]]
    known = process.num_threads() - len(calls)  # those that Python doesn't know
    return known + sum(not POOL.match(next((file for file in files if not WAIT.match(file)), "")) for files in calls)


class Pulse:
    """Asks /livez all along, from a process of its own: the event loop alone answers it.

    `longest` is the longest time that an answer took, in seconds; it has the machine's own delays in it.
    """

    def __init__(self, url: str) -> None:
        self.longest = 0.0
        command = [sys.executable, "-m", "scripts.soak.process", url]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Pulse:
        assert self._process.stdout
        self._process.stdout.readline()  # it has begun
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.longest = float(self._process.communicate("end\n")[0] or "inf")


def beat(url: str) -> float:
    """The longest answer until a line comes in on stdin."""
    site, longest = urlsplit(url), 0.0
    connection = http.client.HTTPConnection(site.hostname or "", site.port, timeout=30)
    print("begun", flush=True)
    while not select.select([sys.stdin], [], [], BEAT)[0]:
        began = time.perf_counter()
        connection.request("GET", "/livez")
        connection.getresponse().read()
        longest = max(longest, time.perf_counter() - began)
    return longest


if __name__ == "__main__":
    print(beat(sys.argv[1]))
