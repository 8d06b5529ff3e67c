"""Asks pip whether requirements can be installed together, without installing any; what to ask for is the caller's.

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
    """What pip says against a file of requirements with these additions, for a version of Python; [] is well.

    Raises ResolutionUnavailable where pip can't be asked, or the package index can't be reached.
    """
    done = _pip("-r", str(requirements), *additions, "--python-version", python, "--only-binary", ":all:")
    if done.returncode == 0:
        return []
    if "No module named pip" in done.stderr:
        raise ResolutionUnavailable(f"pip isn't installed for {sys.executable}, so it can't be asked. Run: make setup")
    # Without an index pip speaks of conflicts and missing versions as well; then it doesn't even find itself.
    if _pip("pip", "--no-deps").returncode != 0:
        raise ResolutionUnavailable(
            f"The package index can't be reached, so nobody knows whether {requirements.name} can be installed. Look "
            f"at the network, and at pip's settings: {sys.executable} -m pip config list"
        )
    return _errors(done) or [f"pip ended with {done.returncode}: {done.stderr.strip()[-500:]}"]


def _pip(*arguments: str) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as target:  # pip wants one for another Python than its own
        command = [sys.executable, "-m", "pip", *TRIAL, "--target", target, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 no shell


def _errors(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines that say ERROR, and those that name what the conflict is caused by."""
    said = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
    causes = [line.strip() for block in CAUSE.findall(done.stdout) for line in block.splitlines()]
    return [VERSIONS.sub(r"(newest: \1)", line) for line in said] + causes
