"""What the files of a model may not ask for: code of another repository, weights outside their folder.

Loading and `check --online` refuse it; whether the model is whole, loading finds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from streamspace.errors import ModelError

DATA = ("tokenizer.json", "vocab.json")  # large, and nothing in them is code's name
INDEX = ".safetensors.index.json"


def check(name: str, folder: Path, code: bool) -> None:
    """Raises ModelError if a settings file in a model's folder asks for it. `code`: whether the model's code is run."""
    for file in sorted(folder.glob("*.json")):
        if file.name not in DATA and (reason := problem(name, file.name, _read(file), code)):
            raise ModelError(reason)


def problem(name: str, file: str, data: Any, code: bool) -> str | None:
    """What is wrong with the data of one settings file of a model; None where nothing is."""
    if file.endswith(INDEX):
        names = _texts(list(_below("weight_map", data)))
        found = [text for text in names if "/" in text or "\\" in text or text.startswith(".")]
        expected, kind = "weights beside it", "a file elsewhere. Name another model"
    else:
        found = [text for text in _texts(list(_below("auto_map", data))) if "--" in text and code]
        found += [text for text in _texts(list(_below("attn_implementation", data))) if "/" in text]  # a kernel
        expected, kind = "code of its own", "that of another repository, which no revision pins. Name another model"
    return f"model.id: {name!r}: {file}: expected {expected}, got {found[0][:100]!r}, {kind}" if found else None


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None  # transformers explains it


def _below(key: str, data: Any) -> Iterator[Any]:
    """The values of a key, wherever it stands, and with an underscore before it too."""
    for name, value in data.items() if isinstance(data, Mapping) else ():
        if name in (key, f"_{key}"):
            yield value
    for value in data.values() if isinstance(data, Mapping) else data if isinstance(data, list) else ():
        yield from _below(key, value)


def _texts(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    for value in data.values() if isinstance(data, Mapping) else data if isinstance(data, list) else ():
        yield from _texts(value)
