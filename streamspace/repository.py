"""Finds the repository whose config/, models/ and README.md the app and the commands read."""

from __future__ import annotations

from pathlib import Path

from streamspace.errors import UsageError


def choose(package: Path, current: Path) -> Path:
    """The folder that holds the package, in a checkout and on a Space; the current folder for an installed package."""
    return package.parent if _complete(package.parent) else current


def require() -> None:
    """Raises UsageError if ROOT is no repository of this template."""
    if not _complete(ROOT):
        raise UsageError(
            f"{ROOT}: expected a repository with app.py and config/, found none. Run the command in your copy of the "
            "template"
        )


def _complete(folder: Path) -> bool:
    return (folder / "app.py").is_file() and (folder / "config").is_dir()


ROOT = choose(Path(__file__).parent, Path.cwd()).resolve()
