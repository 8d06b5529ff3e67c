"""Counts the CPU cores that the container may use; how many of them a forward pass takes is chosen elsewhere."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path

QUOTA = Path("/sys/fs/cgroup/cpu.max")  # "200000 100000" is two cores, "max 100000" is no limit


def cores(environ: Mapping[str, str] = os.environ, quota: Path = QUOTA) -> tuple[int, str]:
    """The number of CPU cores that the container may use, and what says so: affinity, quota or environment."""
    found = {"this process may use so many cores": _visible()}
    if share := _share(quota):
        found["the container's share of time is so much"] = share
    if announced := environ.get("CPU_CORES", ""):
        found["the Space says so"] = int(announced) if announced.isdigit() else _visible()
    reason = min(found, key=lambda name: found[name])
    return max(found[reason], 1), reason


def _visible() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _share(quota: Path) -> int | None:
    try:
        granted, period = quota.read_text("utf-8").split()
        return math.ceil(int(granted) / int(period))
    except (OSError, ValueError):
        return None
