"""The rule for files and folders that a config names: in the repository, no links, nothing hidden, of the key's kind.

The config's validation, the page, `check` and the upload follow it. A model or an adapter may also be a folder of the
machine, by its absolute path: it is loaded from there, and never uploaded.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from streamspace.config.types import Config
from streamspace.repository import ROOT, is_local

IMAGES = ("PNG", "JPEG", "WEBP", "GIF")  # what every browser shows and Pillow recognises


@dataclass(frozen=True)
class Kind:
    """What a key's path has to lead to, in words and as a test."""

    expected: str
    fits: Callable[[Path], bool]
    folder: bool = False


def image_type(path: Path) -> str | None:
    """The media type of an image by its content; None where Pillow recognises none."""
    from PIL import Image  # here, since most commands need no images

    try:
        with Image.open(path, formats=IMAGES) as image:
            image.verify()
            return image.get_format_mimetype()
    except Exception:  # Pillow raises what it likes for a damaged file
        return None


CONFIG = Kind("a file", Path.is_file)
LOGO = Kind("a PNG, JPEG, WebP or GIF image", lambda path: path.is_file() and image_type(path) is not None)
TEMPLATE = Kind("a .jinja file", lambda path: path.is_file() and path.suffix == ".jinja")
MODEL = Kind("a folder with config.json", lambda path: (path / "config.json").is_file(), folder=True)
GGUF = Kind("a .gguf file or a folder with one", lambda path: _holds_gguf(path), folder=True)
ADAPTER = Kind("a folder with adapter_config.json", lambda path: (path / "adapter_config.json").is_file(), folder=True)


def named(config: Config) -> Iterator[tuple[str, str, Kind]]:
    """The key, the name and the kind of each file and folder that a config takes from the repository."""
    model = config.model
    if config.page.logo:
        yield "page.logo", config.page.logo, LOGO
    if config.endpoint:
        return
    if is_local(model.id):
        yield "model.id", model.id, GGUF if model.gguf else MODEL
    if model.adapter and is_local(model.adapter.id):
        yield "model.adapter.id", model.adapter.id, ADAPTER
    if model.chat_template:
        yield "model.chat_template", model.chat_template, TEMPLATE


def problems(config: Config, uploaded: bool = False) -> Iterator[str]:
    """One `key: expected X, got Y` for each name that breaks the rule.

    Unless it is to be `uploaded`, a folder may lie elsewhere, and whether it holds a model is found when it is loaded.
    """
    for key, name, kind in named(config):
        if kind.folder and not uploaded:
            reason = None if os.path.isabs(os.path.expanduser(name)) else _misplaced(name)
        else:
            reason = refusal(name, kind)
        if reason:
            yield f"{key}: expected {kind.expected} in this repository, got {name!r}, {reason}"


def refusal(name: str, kind: Kind) -> str | None:
    """Why a name breaks the rule; None where it doesn't."""
    try:
        if reason := _misplaced(name):
            return reason
        path = ROOT / name
        if not path.exists():
            return "which isn't there"
        return None if kind.fits(path) else "which is something else"
    except OSError:  # a name that is too long
        return "which can't be read"


def _holds_gguf(path: Path) -> bool:
    return path.suffix == ".gguf" if path.is_file() else any(path.rglob("*.gguf"))


def is_linked(path: Path) -> bool:
    """Whether a path below the repository's root is a link, or leads through one."""
    parts = path.relative_to(ROOT).parts
    return any(os.path.islink(ROOT.joinpath(*parts[: length + 1])) for length in range(len(parts)))


def is_hidden(path: PurePath) -> bool:
    """Whether a part of a path is hidden."""
    return any(part.startswith(".") for part in path.parts)


def _misplaced(name: str) -> str | None:
    path = PurePath(name)
    if path.is_absolute() or not path.parts or ".." in path.parts or "\0" in name:
        return "which doesn't lie inside it"
    if is_hidden(path):
        return "which is hidden"
    if is_linked(ROOT / path):
        return "which is a link, or behind one"
    inside = (ROOT / path).rglob("*") if os.path.isdir(ROOT / path) else ()
    if link := next((entry for entry in inside if entry.is_symlink()), None):
        return f"which has a link in it: {link.name!r}"
    return None
