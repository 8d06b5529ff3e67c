"""Generates config/schema.json and the table of keys in docs/configuration.md from the config's types."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from streamspace.config import file as configfile
from streamspace.config.types import Config, Range

REFERENCE = configfile.ROOT / "docs/configuration.md"
BEGIN, END = "<!-- keys: made by `make format` -->", "<!-- /keys -->"


def stale() -> list[str]:
    """A problem for each file that no longer agrees with the types."""
    return [
        f"{path.relative_to(configfile.ROOT)}: expected what the types say, got an older state. Run: make format"
        for path, wanted in _wanted().items()
        if path.read_text("utf-8") != wanted
    ]


def write() -> list[str]:
    """Writes those files, and returns their names."""
    for path, wanted in _wanted().items():
        path.write_text(wanted, "utf-8")
    return [str(path.relative_to(configfile.ROOT)) for path in _wanted()]


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


def _rows(model: type[BaseModel], above: str = "") -> Iterator[tuple[str, str, str]]:
    for name, field in model.model_fields.items():
        part = _part(field)
        if part and not issubclass(part, Range):
            yield from _rows(part, f"{above}{name}.")
        else:
            yield above + name, _default(field), (field.description or "").replace("|", "\\|")


def _part(field: FieldInfo) -> type[BaseModel] | None:
    kinds = [field.annotation, *typing.get_args(field.annotation)]
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if isinstance(value, Range):
        return f"`{value.default:g}`, {value.min:g} to {value.max:g}"
    return f"`{json.dumps(to_jsonable_python(value), ensure_ascii=False)}`"
