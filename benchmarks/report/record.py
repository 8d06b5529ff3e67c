"""The record of a benchmark, as JSON: its figures, and what they were measured on."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from tests.running import ROOT

RESULTS = Path(__file__).parents[1] / "results"
PACKAGES = ("torch", "transformers", "gradio", "xllamacpp")
CPU_INFO = Path("/proc/cpuinfo")  # Linux
NUMBERS = re.compile(r"\[[^][{}\"]*\]")  # a list of them goes into one line


def conditions() -> dict[str, Any]:
    """What is measured and on what. To be called before the benchmark, for the load that it doesn't cause itself."""
    return {
        "date": time.strftime("%-d %B %Y"),
        "commit": _output("git", "describe", "--always", "--dirty"),
        "platform": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "load_average_at_start": os.getloadavg()[0],
        "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}},
    }


def processor(cpu_info: Path = CPU_INFO) -> str:
    """The processor's name."""
    lines = cpu_info.read_text("utf-8").splitlines() if cpu_info.is_file() else []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def described(record: Mapping[str, Any]) -> str:
    """The conditions of a record in a sentence."""
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    return (
        f"{record['date']}, {record['cores']} cores without a GPU, {record['processor']}, load average "
        f"{record['load_average_at_start']:.1f} at the start, {versions}, commit {record['commit']}. Replies of "
        f"{record['tokens']} tokens, medians of {record['rounds']} interleaved rounds."
    )


def new() -> Path:
    """A new file for a record."""
    return RESULTS / f"{time.strftime('%Y-%m-%d-%H%M%S')}.json"


def save(record: Mapping[str, object], path: Path) -> None:
    """Writes the record."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_rounded(record), indent=1)
    path.write_text(NUMBERS.sub(lambda found: re.sub(r"\s+", " ", found[0]), text) + "\n", "utf-8")


def _rounded(value: Any) -> Any:
    """The same with five significant digits."""
    if isinstance(value, Mapping):
        return {name: _rounded(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def _output(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.strip()
