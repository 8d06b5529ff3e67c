"""Bounds what visitors upload: by address in an hour, and all files together; which requests those are, `door` says."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path

MOST_HOURLY = 100 * 1024 * 1024  # bytes of uploads from one address in an hour
MOST_NOTED = 10_000  # uploads of the last hour that are remembered


class Uploads:
    """The uploads of the last hour, by address."""

    def __init__(self) -> None:
        self._noted: deque[tuple[float, str, int]] = deque(maxlen=MOST_NOTED)

    def admit(self, address: str, size: int) -> bool:
        """Notes an upload, unless the address has sent too much."""
        now = time.monotonic()
        while self._noted and self._noted[0][0] < now - 3600:
            self._noted.popleft()
        if sum(sent for _, sender, sent in self._noted if sender == address) + size > MOST_HOURLY:
            return False
        self._noted.append((now, address, size))
        return True


def make_room(folder: Path, most: int) -> None:
    """Deletes the oldest files of a folder until the rest takes up no more than `most` bytes."""
    files = [(each.stat(), each) for each in folder.rglob("*") if each.is_file()]
    taken = sum(status.st_size for status, _ in files)
    for status, file in sorted(files, key=lambda each: each[0].st_mtime):
        if taken <= most:
            return
        file.unlink(missing_ok=True)
        taken -= status.st_size
