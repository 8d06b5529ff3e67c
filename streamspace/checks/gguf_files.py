"""Checks a model in GGUF: the package that reads it; on the Hub its files, their sizes and the memory they need."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from huggingface_hub import HfApi, ModelInfo, get_session, hf_hub_url
from huggingface_hub.utils import build_hf_headers

from streamspace import gguf
from streamspace.checks import description
from streamspace.checks.cache import cache_bytes
from streamspace.checks.findings import Finding, Severity
from streamspace.checks.memory import DECIMAL, Need, fits, has_room, shown
from streamspace.checks.packages import WHERE
from streamspace.config.engines import Situation
from streamspace.config.types import Config
from streamspace.engines import selection
from streamspace.errors import ModelError
from streamspace.hub.errors import hub_errors
from streamspace.model.files import fetch_gguf

READERS = {"llamacpp": gguf.PACKAGE}
OTHERS = "gguf>=0.17"  # transformers' own reading needs it
USUAL = "q4_k_m"  # the quantization that most publishers recommend


def package(
    config: Config, hardware: str, device: str, wanted: Collection[str], lacking: Severity
) -> Iterator[Finding]:
    """A finding where requirements.txt lacks the package that reads the file there."""
    engine = selection.choose(config, Situation(device=device)).name
    line = READERS.get(engine, OTHERS)
    name = line.partition(">")[0]
    if name not in wanted:
        problem = f"{name}: expected a version, for model.file on {hardware} (engine: {engine}), got none"
        yield Finding(lacking, WHERE, problem, f"Add a line: {line}")


def files(info: ModelInfo) -> dict[str, int]:
    """The models of a repository by their (first) file, with their sizes in bytes, smallest first."""
    stored = {file.rfilename: file.size or 0 for file in info.siblings or []}
    found = {
        name: sum(stored.get(part, 0) for part in gguf.parts(name))
        for name in stored
        if name.endswith(".gguf") and gguf.is_first(name) and "mmproj" not in name.lower()
    }
    return dict(sorted(found.items(), key=lambda item: item[1]))


def on_hub(api: HfApi, info: ModelInfo, config: Config, hardware: str, where: str) -> Iterator[Finding]:
    """Findings for the model's GGUF files: the one that the config names, or the lines that would name one."""
    found = files(info)
    if not found:
        problem = f"model.file: expected a repository with .gguf files, got {info.id!r}, which has none"
        yield Finding("error", where, problem, "Publishers of GGUF files name their repositories ...-GGUF")
        return
    named = config.model.file if config.model.file in found else None
    shape = header(api, info, named or next(iter(found)))
    needed = needs(info, shape, config, hardware)
    fitting = [name for name, need in needed.items() if has_room(need, hardware, config)]
    listed = ", ".join(
        f"{name} ({shown(size, DECIMAL)}{'' if name in fitting else ', too large'})" for name, size in found.items()
    )
    if named:
        yield Finding("note", where, f"the GGUF files of {info.id}, by what fits {hardware}: {listed}")
        yield from fits(needed[named], hardware, config, where)
        yield from description.limits(config, shape, None, where)
        if info.gguf or config.model.chat_template:
            yield from description.chat_template(config, _tokenizer(info), None, where)
        return
    best = recommended(fitting or list(found))
    got = repr(config.model.file) if config.model.file else "none"
    problem = f"model.file: expected one of the GGUF files of {info.id!r}, got {got}; for {hardware} there are {listed}"
    yield Finding("error", where, problem, f"Write:\n  model:\n    id: {info.id}\n    file: {best}")


def here(config: Config, where: str) -> Iterator[Finding]:
    """Findings for a file on this machine."""
    try:
        values = gguf.read_file(file := fetch_gguf(config.model))
    except ModelError as error:
        yield Finding("error", where, str(error))
        return
    except gguf.Malformed as error:
        problem = f"model.file: expected a GGUF file, got {file.name!r}: {error}"
        yield Finding("error", where, problem, "Download or copy it again")
        return
    tokens = values.get("tokenizer.ggml.tokens", [])
    ids = {f"{name}_token": values.get(f"tokenizer.ggml.{name}_token_id", len(tokens)) for name in ("bos", "eos")}
    tokenizer = {name: tokens[number] for name, number in ids.items() if number < len(tokens)}
    yield from description.limits(config, gguf.shape(values), None, where)
    yield from description.chat_template(config, tokenizer, values.get("tokenizer.chat_template"), where)


def _tokenizer(info: ModelInfo) -> dict[str, Any]:
    """What the Hub read in the file's header of its tokenizer, by the names of a tokenizer_config.json."""
    said = info.gguf or {}
    return {name: said[name] for name in ("chat_template", "bos_token", "eos_token") if said.get(name)}


def needs(info: ModelInfo, shape: Mapping[str, int], config: Config, hardware: str) -> dict[str, Need]:
    """The memory that each model of a repository needs, smallest first; `shape` is that of any of them."""
    return {name: Need(size, cache_bytes(shape, config, hardware)) for name, size in files(info).items()}


def recommended(names: Sequence[str]) -> str:
    """Of models that fit, smallest first, the one in the quantization that publishers recommend, else the largest."""
    return next((name for name in names if USUAL in name.lower()), names[-1])


def header(api: HfApi, info: ModelInfo, name: str) -> dict[str, int]:
    """The shape of the model in a GGUF file, by its beginning. Raises DeployError."""
    with hub_errors(f"read the beginning of {name}", info.id, "model"):
        return gguf.shape(_head(api, info, name))


def _head(api: HfApi, info: ModelInfo, name: str) -> dict[str, Any]:
    """The keys at the beginning of a file, without a download of the rest."""
    url = hf_hub_url(info.id, name, revision=info.sha, endpoint=api.endpoint)
    headers = {**build_hf_headers(token=api.token), "Range": f"bytes=0-{gguf.HEAD - 1}"}
    content = b""
    with get_session().stream("GET", url, headers=headers) as answer:
        answer.raise_for_status()
        for piece in answer.iter_bytes():
            content += piece
            if len(content) >= gguf.HEAD:
                break
    return gguf.read(io.BytesIO(content))
