"""Finds the repository whose config/, models/ and README.md the app and the commands read."""

from __future__ import annotations

from pathlib import Path

from streamspace.errors import UsageError


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
    return name.startswith((".", "/", "~")) or (ROOT / name).is_dir()


def _complete(folder: Path) -> bool:
    return (folder / "app.py").is_file() and (folder / "config").is_dir()


ROOT = choose(Path(__file__).parent, Path.cwd()).resolve()
