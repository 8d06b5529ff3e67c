"""The files of a deploy: an allow-list of this repository, and a README with the config's card.

Only the README differs from the one on disk. `checks` validates the files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from streamspace.config.types import Config
from streamspace.hub import card
from streamspace.repository import ROOT, is_local

ALWAYS = ["app.py", "requirements.txt", "LICENSE", "streamspace", "config"]
IF_PRESENT = ["packages.txt", "pre-requirements.txt"]  # a Space's build reads these and requirements.txt
SKIPPED_ENDINGS = (".pyc", ".pyo", ".log", ".tmp", ".orig", ".rej", ".swp", "~")


@dataclass(frozen=True)
class File:
    """A file of the upload: its path in the Space, and its content or local path."""

    path: str
    source: Path | bytes

    @property
    def size(self) -> int:
        """The size in bytes."""
        return len(self.source) if isinstance(self.source, bytes) else self.source.stat().st_size

    def read(self) -> bytes:
        """The content."""
        return self.source if isinstance(self.source, bytes) else self.source.read_bytes()

    @cached_property
    def git_oid(self) -> str:
        """The content's git object id, by which the Hub compares regular files."""
        return hashlib.sha1(b"blob %d\0" % self.size + self.read(), usedforsecurity=False).hexdigest()

    @cached_property
    def sha256(self) -> str:
        """The content's SHA-256, by which the Hub compares LFS files."""
        digest = hashlib.sha256()
        for piece in _pieces(self.source):
            digest.update(piece)
        return digest.hexdigest()


def files(config: Config, path: Path, model_files: Sequence[str] = ()) -> list[File]:
    """The sorted files for the config that was read from `path`. `model_files` go into the card."""
    found = {file.path: file for name in _names(config) for file in _under(ROOT / name)}
    for file in (File(config_path(path), path), File("README.md", readme(config, model_files))):
        found[file.path] = file
    return [found[name] for name in sorted(found)]


def readme(config: Config, model_files: Sequence[str] = ()) -> bytes:
    """README.md as it is uploaded."""
    text = card.README.read_text("utf-8") if card.README.is_file() else f"# {config.card.title}\n"
    return card.put(text, card.render(config, model_files)).encode()


def config_path(path: Path) -> str:
    """A config file's path in the Space, which is the value of SPACE_CONFIG."""
    return f"config/{path.name}"


def _names(config: Config) -> Iterator[str]:
    yield from ALWAYS
    yield from IF_PRESENT
    if config.page.logo:
        yield config.page.logo
    if config.endpoint:
        return
    adapter = config.model.adapter
    for name in (config.model.id, adapter.id if adapter else None, config.model.chat_template):
        if name and (is_local(name) or name == config.model.chat_template):
            yield name


def _under(path: Path) -> Iterator[File]:
    """The files of a folder, or the file itself, without paths outside the repository."""
    entries: Iterable[Path] = sorted(path.rglob("*")) if path.is_dir() else [path]
    for entry in entries:
        inside = entry.resolve().is_relative_to(ROOT)
        if entry.is_file() and inside and not _skipped(entry.relative_to(path.parent)):
            yield File(entry.relative_to(ROOT).as_posix(), entry)


def _skipped(path: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.parts)
    return hidden or "__pycache__" in path.parts or path.name.endswith(SKIPPED_ENDINGS)


def _pieces(source: Path | bytes) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as opened:
        while piece := opened.read(1 << 20):
            yield piece
