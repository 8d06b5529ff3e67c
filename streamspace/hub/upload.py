"""What goes to the Space: an allow-list of this repository's files, and the README whose card follows the config.

The README is the only file that differs from the one on disk. Whether the files are fit to go is `checks`' to say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from streamspace.config import file as configfile
from streamspace.config.types import Config
from streamspace.hub import card

ROOT = configfile.ROOT.resolve()
ALWAYS = ["app.py", "requirements.txt", "LICENSE", "streamspace", "config"]
IF_PRESENT = ["packages.txt", "pre-requirements.txt"]  # the three files that a Space's build reads
SKIPPED_FOLDERS = {"__pycache__", ".ipynb_checkpoints"}
SKIPPED_ENDINGS = (".pyc", ".pyo", ".log", ".tmp", ".orig", ".rej", ".swp", "~")


@dataclass(frozen=True)
class File:
    """One file of the upload: its path in the Space, and its bytes or where they lie."""

    path: str
    source: Path | bytes

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self.source) if isinstance(self.source, bytes) else self.source.stat().st_size

    def read(self) -> bytes:
        """The whole content."""
        return self.source if isinstance(self.source, bytes) else self.source.read_bytes()

    @cached_property
    def git_oid(self) -> str:
        """The name git gives to this content; the Hub compares regular files by it."""
        return hashlib.sha1(b"blob %d\0" % self.size + self.read(), usedforsecurity=False).hexdigest()

    @cached_property
    def sha256(self) -> str:
        """The name of this content in LFS; the Hub compares large files by it."""
        digest = hashlib.sha256()
        for piece in _pieces(self.source):
            digest.update(piece)
        return digest.hexdigest()


def files(config: Config, path: Path, model_files: Sequence[str] = ()) -> list[File]:
    """The upload for the config that was read from `path`, sorted. `model_files` go into the card (see `card`)."""
    found = {file.path: file for name in _names(config) for file in _under(ROOT / name)}
    for file in (File(config_path(path), path), File("README.md", readme(config, model_files))):
        found[file.path] = file
    return [found[name] for name in sorted(found)]


def readme(config: Config, model_files: Sequence[str] = ()) -> bytes:
    """README.md as the Space gets it."""
    text = card.README.read_text("utf-8") if card.README.is_file() else f"# {config.card.title}\n"
    return card.put(text, card.render(config, model_files)).encode()


def config_path(path: Path) -> str:
    """Where a config file lies in the Space, and what SPACE_CONFIG says there."""
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
        if name and (card.is_local(name) or name == config.model.chat_template):
            yield name


def _under(path: Path) -> Iterator[File]:
    """The files of a folder, or the file itself; paths that leave the repository don't belong into it."""
    entries: Iterable[Path] = sorted(path.rglob("*")) if path.is_dir() else [path]
    for entry in entries:
        inside = entry.resolve().is_relative_to(ROOT)
        if entry.is_file() and inside and not _skipped(entry.relative_to(path.parent)):
            yield File(entry.relative_to(ROOT).as_posix(), entry)


def _skipped(path: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.parts)
    return hidden or bool(SKIPPED_FOLDERS & set(path.parts)) or path.name.endswith(SKIPPED_ENDINGS)


def _pieces(source: Path | bytes) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as opened:
        while piece := opened.read(1 << 20):
            yield piece
