"""Checks the files of an upload: nothing missing, nothing too large, no LFS pointers, no secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from streamspace.checks.findings import Finding
from streamspace.checks.platform import LARGEST_FILE_GB, REPOSITORY_GB
from streamspace.config import paths
from streamspace.config.types import Config
from streamspace.foreign import SECRETS
from streamspace.hub import card
from streamspace.hub.upload import LINK, File

POINTER = b"version https://git-lfs.github.com/spec/"
HINT = "Copy it into the repository, for example into models/, or name a model of the Hub as owner/name"
READ_UP_TO = 2_000_000  # bytes; secrets are searched in text files, which are smaller


def left_out(found: Mapping[str, str], config: Config) -> Iterator[Finding]:
    """Findings for what an upload leaves out, with the reasons: an error where the Space can't do without it."""
    named = [Path(name) for _, name, _ in paths.named(config)]
    for path, reason in found.items():
        needed = reason == LINK or any(Path(path).is_relative_to(name) for name in named)
        hint = "Put a copy in its place" if reason == LINK else f"Run: git add {path}"
        yield Finding("error" if needed else "warning", path, f"expected a file to upload, got {reason}", hint)


def findings(files: Sequence[File], config: Config, where: str) -> Iterator[Finding]:
    """Findings for the files of this config's upload; `where` names the config."""
    misplaced = list(paths.problems(config, uploaded=True))
    yield from (Finding("error", where, problem, HINT) for problem in misplaced)
    there = {file.path for file in files}
    for name in ("app.py", "requirements.txt"):
        if name not in there:
            yield Finding("error", name, "expected this file, found none", "A Space can't run without it")
    weights = ".gguf" if config.model.gguf else ".safetensors"
    if not misplaced and card.loads_from_here(config) and not any(path.endswith(weights) for path in there):
        problem = f"model.id: expected *{weights} inside this repository, found none at {config.model.id!r}"
        yield Finding("error", where, problem, HINT)
    for file in files:
        yield from _in_one(file)
    total = sum(file.size for file in files) / 1e9
    if total > REPOSITORY_GB:
        problem = f"{total:.1f} GB to upload, and a Space's own repository is known to refuse more than {REPOSITORY_GB}"
        yield Finding("warning", where, problem, "Put the model into a repository of its own, and name it in model.id")


def _in_one(file: File) -> Iterator[Finding]:
    if file.size > LARGEST_FILE_GB * 1e9:
        yield Finding("error", file.path, f"expected at most {LARGEST_FILE_GB} GB, got {file.size / 1e9:.0f} GB")
    content = file.read() if file.size <= READ_UP_TO else b""
    if content.startswith(POINTER):
        yield Finding("error", file.path, "expected the file itself, got a Git LFS pointer to it", "Run: git lfs pull")
    for kind, line in _secrets(content):
        hint = "Take it out, revoke it (git's history may hold it too), and give it to the Space with --secret NAME"
        yield Finding("error", f"{file.path}:{line}", f"expected no secrets in the upload, found {kind}", hint)


@lru_cache(maxsize=1000)  # the uploads of all configs hold mostly the same files
def _secrets(content: bytes) -> tuple[tuple[str, int], ...]:
    """The kinds of secrets in a file, each with the line of its first one."""
    text = content.decode("latin-1")  # each byte a character, whatever the encoding
    found = [(kind, pattern.search(text)) for kind, pattern in SECRETS.items()]
    return tuple((kind, text.count("\n", 0, match.start()) + 1) for kind, match in found if match)
