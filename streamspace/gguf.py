"""Reads what a GGUF file says of itself: its shape, its chat template, its tokens; llama.cpp reads the weights."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

PACKAGE = "xllamacpp>=2026.10"  # llama.cpp's server, for engine: llamacpp
MAGIC = b"GGUF"
LONGEST = 2**24  # bytes of one text; more is a damaged file
HEAD = 2**16  # bytes in which the numbers stand that `shape` needs, before the tokens
TEXT, ARRAY = 8, 9
NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
PART = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")
CONTROL, USER_DEFINED = 3, 4  # types of tokens that a prompt's text may hold (gguf's TokenType)


class Malformed(ValueError):
    """A file that isn't GGUF."""


def read(stream: BinaryIO) -> dict[str, Any]:
    """The file's keys and values, as far as the stream goes. Raises Malformed."""
    if stream.read(4) != MAGIC:
        raise Malformed("it doesn't begin with GGUF")
    version, _, count = struct.unpack("<IQQ", stream.read(20).ljust(20, b"\0"))
    if version not in (2, 3):
        raise Malformed(f"expected GGUF version 2 or 3, got {version}")
    found: dict[str, Any] = {}
    try:
        for _ in range(count):
            name = _text(stream)
            found[name] = _value(stream, *_numbers(stream, "I"))
    except struct.error:
        pass  # the end of an excerpt
    return found


def read_file(path: Path) -> dict[str, Any]:
    """As `read`, of a file on the disk."""
    with path.open("rb") as stream:
        return read(stream)


def shape(values: Mapping[str, Any]) -> dict[str, int]:
    """The numbers of a model's config.json by which its cache is sized, as far as the file has them."""
    kind = values.get("general.architecture")
    names = {
        "num_hidden_layers": "block_count",
        "num_attention_heads": "attention.head_count",
        "num_key_value_heads": "attention.head_count_kv",
        "head_dim": "attention.key_length",
        "hidden_size": "embedding_length",
        "max_position_embeddings": "context_length",
    }
    found = {ours: values.get(f"{kind}.{theirs}") for ours, theirs in names.items()}
    return {name: max(value) if isinstance(value, list) else value for name, value in found.items() if value}


def control_tokens(values: Mapping[str, Any]) -> list[str]:
    """The tokens that structure a prompt: those for control, and tags such as <think> that the template writes."""
    tokens, kinds = values.get("tokenizer.ggml.tokens", []), values.get("tokenizer.ggml.token_type", [])
    template = values.get("tokenizer.chat_template", "")
    return [
        token
        for token, kind in zip(tokens, kinds, strict=False)
        if len(token.strip()) > 1 and (kind == CONTROL or (kind == USER_DEFINED and token in template))
    ]


def parts(name: str) -> list[str]:
    """The names of all files of a model of which `name` is the first: several where it is split."""
    split = PART.search(name)
    if not split:
        return [name]
    return [f"{name[: split.start()]}-{number:05}-of-{split[2]}.gguf" for number in range(1, int(split[2]) + 1)]


def is_first(name: str) -> bool:
    """Whether a model is opened by this file: the first of a split one, or the only one."""
    return parts(name)[0] == name


def _value(stream: BinaryIO, kind: int) -> Any:
    if kind == TEXT:
        return _text(stream)
    if kind != ARRAY:
        return _numbers(stream, NUMBERS[kind])[0] if kind in NUMBERS else _unknown(kind)
    inner, length = _numbers(stream, "IQ")
    if inner in NUMBERS:
        return list(_numbers(stream, f"{length}{NUMBERS[inner]}"))
    return list(_each(stream, inner, length))


def _each(stream: BinaryIO, kind: int, length: int) -> Iterator[Any]:
    for _ in range(length):
        yield _value(stream, kind)


def _text(stream: BinaryIO) -> str:
    (length,) = _numbers(stream, "Q")
    content = stream.read(min(length, LONGEST))
    if len(content) < length:
        raise struct.error
    return content.decode("utf-8", "replace")


def _numbers(stream: BinaryIO, form: str) -> tuple[Any, ...]:
    packed = struct.Struct("<" + form)
    return packed.unpack(stream.read(packed.size))


def _unknown(kind: int) -> Any:
    raise Malformed(f"expected a type of value that is known, got {kind}")
