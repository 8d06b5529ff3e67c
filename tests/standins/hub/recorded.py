"""Descriptions of models that there are, abridged, as data in models/: the stand-in Hub serves them without weights."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import yaml

from tests.standins.hub.repos import Blob, blob
from tests.standins.hub.server import Hub

FOLDER = Path(__file__).with_name("models")
RECORDED: dict[str, dict[str, Any]] = {
    name: record
    for path in sorted(FOLDER.glob("*.yaml"))
    for name, record in yaml.safe_load(path.read_text("utf-8")).items()
}
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "model_max_length": 10**30}


def add(hub: Hub, *names: str) -> None:
    """Puts models into the Hub; all of them without a name."""
    for name in names or RECORDED:
        record = RECORDED[name]
        card = record.get("card", {})
        readers = ("owner",) if record.get("gated") else None
        described = {"cardData": card, **{key: card[key] for key in ("pipeline_tag", "library_name") if key in card}}
        if "parameters" in record:
            described["safetensors"] = {"parameters": record["parameters"], "total": sum(record["parameters"].values())}
        hub.add_model(name, {}, readers=readers).commit(_files(record), "Upload the model")
        hub.repos[f"models/{name}"].described = described


def _files(record: dict[str, Any]) -> dict[str, Blob]:
    """The files: the small ones with what is in them, the large ones with their size alone."""
    template = (FOLDER / f"templates/{record['template']}.jinja").read_text("utf-8") if "template" in record else None
    tokenizer = {**SPECIAL, **({"chat_template": template} if template else {})}
    small = {"config.json": record.get("config"), "generation_config.json": record.get("generation")}
    small |= {"tokenizer_config.json": tokenizer, "tokenizer.json": {}}
    found = {name: blob(name, json.dumps(data).encode()) for name, data in small.items() if data is not None}
    if "weights" in record:
        found["model.safetensors"] = Blob(b"weights", True, record["weights"])
    for name, held in record.get("also", {}).items():
        if isinstance(held, str):
            found[name] = blob(name, held.encode())
        else:
            found[name] = Blob(_header(record, template) if name.endswith(".gguf") else b"large", True, held)
    return {name: each for name, each in found.items() if name not in record.get("without", ())}


def _header(record: dict[str, Any], template: str | None) -> bytes:
    """The beginning of a GGUF file."""
    values = dict(record["gguf"])
    kind = values.pop("architecture")
    pairs = {"general.architecture": kind, **{f"{kind}.{name}": value for name, value in values.items()}}
    pairs |= {"tokenizer.chat_template": template} if template else {}
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs)) + b"".join(map(_pair, pairs, pairs.values()))


def _pair(name: str, value: str | int) -> bytes:
    said = struct.pack("<II", 4, value) if isinstance(value, int) else struct.pack("<I", 8) + _text(value)
    return _text(name) + said


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()
