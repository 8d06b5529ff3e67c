"""Numbers in a memory-mapped file, which a measured process writes and the benchmark reads (and DELAY the reverse)."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

PASSES, CPU, PEAK, DELAY = range(0, 32, 8)  # the position of each number, in bytes


class Meter:
    """Forward passes begun, CPU seconds, peak memory in MB, and the seconds by which each pass is delayed."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(32))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 32)

    def __getitem__(self, position: int) -> float:
        return struct.unpack_from("d", self._map, position)[0]

    def __setitem__(self, position: int, value: float) -> None:
        struct.pack_into("d", self._map, position, value)
