"""Brings files up to the config's types: config/schema.json, the table in docs/configuration.md, and the presets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from streamspace.config import file as configfile
from streamspace.config import presets
from streamspace.config.base import part_of
from streamspace.config.ranges import Range
from streamspace.config.types import Config

REFERENCE = configfile.ROOT / "docs/configuration.md"
SKELETON = Path(__file__).parents[1] / "new/skeleton.yaml"  # every key, with the comments of the presets, for `new`
BEGIN, END = "<!-- keys: made by `make format` -->", "<!-- /keys -->"


def stale() -> list[str]:
    """A problem for each file that no longer agrees with the types."""
    return [
        f"{_name(path)}: expected what the types say, got an older state. Run: make format"
        for path, wanted in _wanted().items()
        if _text(path) != wanted
    ]


def incomplete() -> list[str]:
    """A problem for each preset, and for the skeleton of new ones, that leaves keys to their defaults."""
    found = {path: [missing.key for missing in presets.missing(_text(path))] for path in _presets()}
    return [
        f"{_name(path)}: expected every key, got none for {', '.join(keys)}. Run: make format"
        for path, keys in found.items()
        if keys
    ]


def write() -> list[str]:
    """Writes those files, adds the keys that files in config/ lack, and returns the names of the files it changed."""
    wanted = {**_wanted(), **{path: presets.complete(_text(path)) for path in _presets()}}
    changed = {path: text for path, text in wanted.items() if _text(path) != text}
    for path, text in changed.items():
        path.write_text(text, "utf-8")
    return [_name(path) for path in changed]


def table() -> str:
    """The keys of a config file as a Markdown table."""
    lines = ["| key | default | meaning |", "| --- | --- | --- |"]
    return "\n".join([*lines, *(f"| `{key}` | {default} | {meaning} |" for key, default, meaning in _rows(Config))])


def _wanted() -> dict[Path, str]:
    wanted = {configfile.SCHEMA: configfile.schema()}
    if REFERENCE.is_file():  # a clone of the Space has no docs
        before, rest = REFERENCE.read_text("utf-8").split(BEGIN)
        wanted[REFERENCE] = f"{before}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}"
    return wanted


def _presets() -> list[Path]:
    return sorted([*configfile.FOLDER.glob("*.yaml"), SKELETON])


def _text(path: Path) -> str:
    """A file's text. Bytes that aren't UTF-8 become surrogates, which YAML refuses; `check` reports such a preset."""
    return path.read_text("utf-8", "surrogateescape") if path.is_file() else ""


def _name(path: Path) -> str:
    return str(path.relative_to(configfile.ROOT))


def _rows(model: type[BaseModel], above: str = "") -> Iterator[tuple[str, str, str]]:
    for name, field in model.model_fields.items():
        part = part_of(field)
        if part and not issubclass(part, Range):
            yield from _rows(part, f"{above}{name}.")
        else:
            yield above + name, _default(field), (field.description or "").replace("|", "\\|")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if isinstance(value, Range):
        return f"`{value.default:g}`, {value.min:g} to {value.max:g}"
    return f"`{json.dumps(to_jsonable_python(value), ensure_ascii=False)}`"
