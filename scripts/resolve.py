"""Resolves what the Hub and developers install for each promised Python, without installing: part of `make check`.

It finds a requirement without a wheel for one of them, and requirements that exclude each other.
Exit codes: 0 everything resolves, 1 something doesn't, 2 the package index can't be reached.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from streamspace.checks.platform import PYTHONS, ZEROGPU, ZEROGPU_PYTHON, hub_requirements
from streamspace.hub import requirements
from streamspace.repository import ROOT

DEVELOPERS = ROOT / "requirements-dev.txt"
NO_SOLUTION = 1  # uv's exit code; 2 is any other failure


@dataclass(frozen=True)
class Wanted:
    """One resolution: a requirements file, the requirements added to it, the Python version, and who installs it."""

    python: str
    whom: str
    file: Path
    added: Sequence[str]


def main() -> int:
    """Prints the resolver's errors."""
    wanted = list(_wanted())
    with ThreadPoolExecutor(4) as pool:  # they mostly wait for the index
        answers = list(pool.map(_resolve, wanted))
    for answer in answers:
        if answer.returncode not in (0, NO_SOLUTION):
            print(
                f"The package index can't be reached, so nothing is resolved:\n{answer.stderr.strip()}", file=sys.stderr
            )
            return 2
    failed = [(one, answer) for one, answer in zip(wanted, answers, strict=True) if answer.returncode]
    for one, answer in failed:
        print(
            f"{one.file.name}: can't be met on Python {one.python}, for {one.whom}:\n{answer.stderr.strip()}",
            file=sys.stderr,
        )
    if not failed:
        print(f"requirements: resolved for Python {', '.join(PYTHONS)}")
    return int(bool(failed))


def _wanted() -> Iterator[Wanted]:
    gradio = requirements.pin("gradio", requirements.read()) or ""
    for python in PYTHONS:
        yield Wanted(python, "a Space", requirements.FILE, hub_requirements(gradio, "cpu-basic"))
        yield Wanted(python, "developers", DEVELOPERS, [])
    for python in ZEROGPU_PYTHON:
        yield Wanted(python, "a Space on ZeroGPU", requirements.FILE, hub_requirements(gradio, ZEROGPU))


def _resolve(wanted: Wanted) -> subprocess.CompletedProcess[str]:
    """uv's answer, for Debian 11 and newer. Wheels only: to build can be slow, or need tools that the Hub lacks."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as more:
        more.write("\n".join(wanted.added))
        more.flush()
        command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--only-binary", ":all:"]
        command += ["--python-version", wanted.python, "--python-platform", "x86_64-manylinux_2_31"]
        # The Hub takes torch from the ordinary index, whatever backend the Makefile chooses for this machine.
        env = {name: value for name, value in os.environ.items() if name != "UV_TORCH_BACKEND"}
        return subprocess.run([*command, str(wanted.file), more.name], capture_output=True, text=True, env=env)


if __name__ == "__main__":
    sys.exit(main())
