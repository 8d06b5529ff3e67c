"""The files of a deploy: what git tracks of an allow-list of this repository, and the README of `readme`.

Outside git it is all of the list. Links, hidden files and what tools leave behind are never among them. `checks`
validates the files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path

from streamspace.config import paths
from streamspace.config.types import Config
from streamspace.hub import readme
from streamspace.repository import ROOT, tracked

ALWAYS = ["app.py", "requirements.txt", "LICENSE", "streamspace", "config"]
IF_PRESENT = ["packages.txt", "pre-requirements.txt"]  # a build reads the last two, and requirements.txt
SKIPPED_ENDINGS = (".pyc", ".pyo", ".log", ".tmp", ".orig", ".rej", ".swp", "~")
LINK, UNTRACKED = "a link", "a file that git doesn't track"


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


def files(config: Config, path: Path, model_files: Sequence[str] = (), space: str = "OWNER/NAME") -> list[File]:
    """The sorted files for the config that was read from `path`. `model_files` go into the card of `space`."""
    found = {name: File(name, ROOT / name) for name, reason in _entries(config) if not reason}
    text = readme.render(config, config_path(path), space, model_files)
    for file in (File(config_path(path), path), File("README.md", text.encode())):
        found[file.path] = file
    return [found[name] for name in sorted(found)]


def left_out(config: Config, path: Path) -> dict[str, str]:
    """The files of the allow-list that are not uploaded, and why. No untracked config of another Space is missed."""
    return {
        name: reason for name, reason in _entries(config)
        if reason and name != config_path(path) and not (reason == UNTRACKED and fnmatch(name, "config/*.yaml"))
    }  # fmt: skip


def config_path(path: Path) -> str:
    """A config file's path in the Space, which is the value of SPACE_CONFIG."""
    return f"config/{path.name}"


def _entries(config: Config) -> Iterator[tuple[str, str]]:
    """The files of the allow-list, each with the reason for which it isn't uploaded, or with an empty one."""
    known = tracked()
    named = [name for _, name, kind in paths.named(config) if not paths.refusal(name, kind)]
    for name in (*ALWAYS, *IF_PRESENT, *named):
        for path in _under(ROOT / name):
            shown = path.relative_to(ROOT).as_posix()
            if paths.is_linked(path):
                yield shown, LINK
            elif path.is_file():
                yield shown, "" if known is None or shown in known else UNTRACKED


def _under(path: Path) -> Iterator[Path]:
    """A file, or what is in a folder and not hidden, without what tools leave behind."""
    for entry in sorted(path.rglob("*")) if path.is_dir() and not path.is_symlink() else [path]:
        below = entry.relative_to(ROOT)
        if not (paths.is_hidden(below) or "__pycache__" in below.parts or entry.name.endswith(SKIPPED_ENDINGS)):
            yield entry


def _pieces(source: Path | bytes) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as opened:
        while piece := opened.read(1 << 20):
            yield piece
