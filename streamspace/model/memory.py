"""How much memory is free: the machine's, or what a container leaves of it."""

from __future__ import annotations

import re
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
CONTAINER = Path("/sys/fs/cgroup")  # version 2; where there is none, the machine's counts


def free(device: str) -> int | None:
    """Bytes that are free for a model on this device; None where that can't be known."""
    if device == "cuda":
        import torch  # not at the top: llama.cpp needs none

        return int(torch.cuda.mem_get_info()[0])
    known = [each for each in (_of_machine(), _of_container()) if each is not None]
    return min(known, default=None)


def _of_machine() -> int | None:
    try:
        found = re.search(r"^MemAvailable:\s+(\d+) kB$", MEMINFO.read_text(), re.MULTILINE)
    except OSError:  # another system
        return None
    return int(found[1]) * 1024 if found else None


def _of_container() -> int | None:
    try:
        most, used = ((CONTAINER / f"memory.{name}").read_text().strip() for name in ("max", "current"))
        cached = re.search(r"^inactive_file (\d+)$", (CONTAINER / "memory.stat").read_text(), re.MULTILINE)
        return max(int(most) - int(used) + int(cached[1] if cached else 0), 0)
    except (OSError, ValueError):  # no container, or one without a limit: "max"
        return None
