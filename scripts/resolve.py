"""Resolves what the Hub and developers install for each promised Python, without installing: part of `make check`.

A requirement that has no wheel for one of them, or excludes another's, is found here and not in somebody's build.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from streamspace.checks.platform import PYTHONS, ZEROGPU, ZEROGPU_PYTHON, hub_requirements
from streamspace.config import file as configfile
from streamspace.hub import requirements

DEVELOPERS = configfile.ROOT / "requirements-dev.txt"


def main() -> int:
    """0 when all of them resolve, else 1, with the resolver's own lines."""
    failed = 0
    for python, name, file, added in _wanted():
        if said := _resolve(python, file, added):
            failed += 1
            print(f"{file.name} for Python {python} ({name}) can't be resolved:\n{said}", file=sys.stderr)
    if not failed:
        print(f"requirements resolve for Python {', '.join(PYTHONS)}")
    return int(failed > 0)


def _wanted() -> Iterator[tuple[str, str, Path, Sequence[str]]]:
    """Python, whom it is for, the requirements, and what is installed beside them."""
    gradio = requirements.pin("gradio", requirements.read()) or ""
    for python in PYTHONS:
        yield python, "a Space", requirements.FILE, hub_requirements(gradio, "cpu-basic")
        yield python, "developers", DEVELOPERS, []
    for python in ZEROGPU_PYTHON:
        yield python, "a Space on ZeroGPU", requirements.FILE, hub_requirements(gradio, ZEROGPU)


def _resolve(python: str, file: Path, added: Sequence[str]) -> str:
    """What uv says where it finds no versions; empty where it does."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as more:
        more.write("\n".join(added))
        more.flush()
        command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--only-binary", ":all:"]
        command += ["--python-version", python, "--python-platform", "x86_64-manylinux_2_28", str(file), more.name]
        done = subprocess.run(command, capture_output=True, text=True)
    return done.stderr.strip() if done.returncode else ""


if __name__ == "__main__":
    sys.exit(main())
