"""The rules that the app has to keep, whoever comes, and the report of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scripts.soak.doors import DOORS
from scripts.soak.process import Quiet
from scripts.soak.visitors import Visit

MOST_STALL = 5.0  # seconds, of which a busy machine adds some
MOST_KEPT = 5000  # bytes of memory for each chat


@dataclass(frozen=True)
class Found:
    """What a run found: its visits, the app at a quiet moment after each half, and its longest answer in seconds.

    `log` is what the app has printed, `code` its exit code in the end.
    """

    visits: Sequence[Visit]
    before: Quiet
    after: Quiet
    stall: float
    log: str = ""
    code: int | None = 0

    @property
    def kept(self) -> float:
        """Bytes of memory in use for each chat of the second half."""
        return (self.after.used - self.before.used) / max(self.after.chats - self.before.chats, 1)

    @property
    def first(self) -> float:
        """The longest wait for a first token, in seconds, that in the queue included."""
        return max((visit.first for visit in self.visits if visit.first is not None), default=0.0)


def broken(found: Found) -> Iterator[str]:
    """The rules that were broken, each with the figure that broke it."""
    for visit in found.visits:
        if visit.outcome == "differs":
            yield f"no character is lost or mixed up: {visit.door}, {visit.manner}: {visit.detail}"
        if visit.outcome == "failed":
            yield f"every request is answered: {visit.door}, {visit.manner}: {visit.detail}"
    compared = {visit.door for visit in found.visits if visit.outcome == "same"}
    for door in DOORS:
        if door not in compared:
            yield f"every door has replies that were compared: none of {door}"
    before, after = found.before, found.after
    if after.busy:
        yield f"every place is free in the end: {after.busy} are taken"
    if after.threads > before.threads:
        yield f"no thread is left: {before.threads} after the first half, {after.threads} in the end"
    if after.files > before.files:
        yield f"no file is left open: {before.files} after the first half, {after.files} in the end"
    if found.kept > MOST_KEPT:
        yield f"a chat keeps at most {MOST_KEPT} bytes: {found.kept:.0f}"
    if found.stall > MOST_STALL:
        yield f"the event loop answers within {MOST_STALL:.0f} s: it took {found.stall:.1f} s"
    if "Traceback" in found.log:
        yield "no traceback is printed: there is one in the log"
    if found.code:
        yield f"the process ends in order: exit code {found.code}"


def report(found: Found) -> Iterator[str]:
    """The run in lines."""
    counted = Counter((visit.door, visit.manner, visit.outcome) for visit in found.visits)
    for (door, manner, outcome), times in sorted(counted.items()):
        yield f"{times:6} {door}, {manner}: {outcome}"
    before, after = found.before, found.after
    yield f"chats: {after.chats}, {after.chats - before.chats} of them in the second half"
    yield f"worst first token: {found.first:.2f} s, the wait in the queue included"
    yield f"longest stall of the event loop: {found.stall:.2f} s, by /livez asked from another process"
    yield f"threads: {before.threads} after the first half, {after.threads} in the end"
    yield f"open files: {before.files} after the first half, {after.files} in the end"
    yield f"memory in use: {before.used / 1e6:.1f} MB after the first half, {after.used / 1e6:.1f} MB in the end"
    yield f"memory held: {before.resident / 1e6:.1f} MB after the first half, {after.resident / 1e6:.1f} MB in the end"
    yield f"kept of a chat: {found.kept:.0f} bytes"
