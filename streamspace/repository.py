"""Finds the repository whose config/, models/ and README.md the app and the commands read."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from streamspace.errors import UsageError, first_line


def choose(package: Path, current: Path) -> Path:
    """The current folder, unless only the folder that holds the package is a repository (a checkout or a Space)."""
    return package.parent if _complete(package.parent) and not _complete(current) else current


def require() -> None:
    """Raises UsageError if ROOT is no repository of this template."""
    if not _complete(ROOT):
        raise UsageError(
            f"{ROOT}: expected a repository with app.py and config/, found none. Run the command in your copy of the "
            "template"
        )


def is_local(name: str) -> bool:
    """Whether a model's name is a folder rather than a repository of the Hub."""
    return name.startswith((".", "/", "~")) or os.path.isdir(ROOT / name)  # it takes any name, unlike Path.is_dir


def called(name: str) -> str:
    """What a model is called before others: a repository by its whole name, a folder by its last part."""
    return Path(name).name if is_local(name) else name


def tracked() -> frozenset[str] | None:
    """The paths that git tracks here; None outside git. Raises UsageError where git can't be asked.

    Settings of the checkout's own that start programs, and a foreign owner, are of no interest to a list.
    """
    if not (ROOT / ".git").exists():
        return None
    git = shutil.which("git")
    if not git:
        raise UsageError(f"{ROOT}: expected git, which knows the files of this checkout, found none. Install git")
    settings = ["-c", f"safe.directory={ROOT}", "-c", "core.fsmonitor=false"]
    done = subprocess.run([git, *settings, "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)  # noqa: S603
    if done.returncode:
        raise UsageError(f"{ROOT}: expected a list of files from git, got: {first_line(done.stderr.decode())}")
    return frozenset(os.fsdecode(done.stdout).split("\0"))


def _complete(folder: Path) -> bool:
    return (folder / "app.py").is_file() and (folder / "config").is_dir()


ROOT = choose(Path(__file__).parent, Path.cwd()).resolve()
