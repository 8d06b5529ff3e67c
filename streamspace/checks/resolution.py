"""Asks pip whether requirements can be installed together, without installing them.

pip reads environment markers for the machine that it runs on; scripts/resolve.py asks uv, which reads them for Linux.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from streamspace.errors import ResolutionUnavailable

TRIAL = ["install", "--dry-run", "--ignore-installed", "--no-input", "--disable-pip-version-check", "--no-color"]
CAUSE = re.compile(r"^The conflict is caused by:\n((?:[ \t]+.*\n)+)", re.MULTILINE)
VERSIONS = re.compile(r"\(from versions: .*?((?:[^ ,]+, ){0,2}[^ ,]+)\)")


def resolve(requirements: Path, additions: Sequence[str], python: str) -> list[str]:
    """pip's errors for a requirements file with these additions and a Python version; [] if there are none.

    Raises ResolutionUnavailable if pip is missing or can't reach the package index.
    """
    done = _pip("-r", str(requirements), *additions, "--python-version", python, "--only-binary", ":all:")
    if done.returncode == 0:
        return []
    if "No module named pip" in done.stderr:
        raise ResolutionUnavailable(f"pip isn't installed for {sys.executable}, so it can't be asked. Run: make setup")
    # Without an index pip also reports conflicts and missing versions; then it doesn't find pip either.
    if _pip("pip", "--no-deps").returncode != 0:
        raise ResolutionUnavailable(
            f"The package index can't be reached, so nobody knows whether {requirements.name} can be installed. Look "
            f"at the network, and at pip's settings: {sys.executable} -m pip config list"
        )
    return _errors(done) or [f"pip ended with {done.returncode}: {done.stderr.strip()[-500:]}"]


def _pip(*arguments: str) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as target:  # required by pip for another Python version
        command = [sys.executable, "-m", "pip", *TRIAL, "--target", target, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 no shell


def _errors(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines with ERROR, and those that name the cause of the conflict."""
    said = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
    causes = [line.strip() for block in CAUSE.findall(done.stdout) for line in block.splitlines()]
    return [VERSIONS.sub(r"(newest: \1)", line) for line in said] + causes
