"""Checks a config's model on the Hub: existence, access, memory and licence; its small files are `description`'s."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, ModelInfo
from huggingface_hub import errors as hub
from huggingface_hub.utils import disable_progress_bars

from streamspace.checks import description, gguf_files
from streamspace.checks.description import mapping
from streamspace.checks.device_fit import ready
from streamspace.checks.findings import Finding
from streamspace.checks.memory import (
    DECIMAL,
    PARAMETERS,
    Need,
    cache_bytes,
    fits,
    fits_disk,
    loading_bytes,
    shown,
    weight_bytes,
)
from streamspace.config.model import Adapter
from streamspace.config.types import Config
from streamspace.hub import card, requirements, upload
from streamspace.hub.errors import hub_errors
from streamspace.model import contents
from streamspace.model.adapter import other_base
from streamspace.repository import is_local

HOW_TO_GIVE_IT = "Deploy with --secret HF_TOKEN=VARIABLE, an environment variable that holds a token for reading it"


def findings(config: Config, path: Path, hardware: str | None = None, api: HfApi | None = None) -> list[Finding]:
    """Findings for the model and the adapter, on `hardware` or the card's. Raises DeployError without the Hub."""
    disable_progress_bars()
    where = upload.config_path(path)
    asked = api or HfApi()
    found: list[Finding] = []
    if card.loads_from_hub(config):
        found += _model(asked, config, hardware or config.card.hardware, where)
    adapter = config.model.adapter
    if adapter and not config.endpoint and not is_local(adapter.id):
        found += _adapter(asked, config.model.id, adapter, where)
    return found


def _model(api: HfApi, config: Config, hardware: str, where: str) -> Iterator[Finding]:
    info, refused = _there(api, config.model.id, config.model.revision, "model", where)
    yield from refused
    if info is None:
        return
    yield from _access(info, config, where)
    yield from _settings(api, info, config, where)
    if config.model.file or (gguf_files.files(info) and not _safetensors(info)):
        yield from gguf_files.on_hub(api, info, config, hardware, where)
        return
    read = partial(_file, api, info)
    yield from _weights(info, config, hardware, where, mapping(read, "config.json"))
    yield from description.findings(config, read, requirements.read(), where)


def _adapter(api: HfApi, base: str, adapter: Adapter, where: str) -> Iterator[Finding]:
    info, refused = _there(api, adapter.id, adapter.revision, "model.adapter", where)
    yield from refused
    described = _file(api, info, "adapter_config.json") if info else None
    if described and (warning := other_base(described, base, adapter.id)):
        yield Finding("warning", where, warning, "Name the model that the adapter was made for in model.id")


def _there(api: HfApi, name: str, revision: str | None, key: str, where: str) -> tuple[ModelInfo | None, list[Finding]]:
    """The Hub's description of the model, or a finding if it can't be read."""
    page = f"https://huggingface.co/{name}"
    try:
        with hub_errors(f"ask about {name}", name):
            info = api.model_info(name, revision=revision, files_metadata=True)
            api.auth_check(name)
            return info, []
    except Exception as error:
        cause = error.__cause__
        if isinstance(cause, hub.GatedRepoError):
            problem = f"{key}.id: {name!r} is gated, and this token may not read it"
            hint = f"Accept its terms on {page}, then deploy with --secret HF_TOKEN=VARIABLE"
        elif isinstance(cause, hub.RevisionNotFoundError):
            problem = f"{key}.revision: expected a branch, tag or commit of {name!r}, got {revision!r}"
            hint = f"See {page}/commits/main"
        elif isinstance(cause, hub.RepositoryNotFoundError):
            problem = f"{key}.id: expected a model on the Hub, found none called {name!r}"
            hint = f"Check the spelling at {page}; if it is private, use a token that may read it"
        else:
            raise
        return None, [Finding("error", where, problem, hint)]


def _access(info: ModelInfo, config: Config, where: str) -> Iterator[Finding]:
    if info.gated and config.card.preload:
        problem = f"card.preload: expected false, since {info.id!r} is gated and the build can't read it, got true"
        yield Finding("error", where, problem)
    if info.gated or info.private:
        yield Finding("note", where, "the Space needs a secret HF_TOKEN", HOW_TO_GIVE_IT)
    licence = getattr(info.card_data, "license", None)
    if licence:
        yield Finding("note", where, f"the model's licence is {licence}", "Read it before you make the Space public")
    else:
        yield Finding("warning", where, "the model names no licence", f"Ask on https://huggingface.co/{info.id}")
    if config.model.revision is None:
        yield Finding(
            "note", where, "model.revision is empty, so the model may change", f"Pin it: revision: {info.sha}"
        )
    if config.model.trust_remote_code is False and (info.config or {}).get("auto_map"):
        problem = f"model.trust_remote_code: {info.id!r} brings Python code of its own, which isn't run"
        yield Finding("warning", where, problem, "Read the code, pin its commit, then set it to true")


def _settings(api: HfApi, info: ModelInfo, config: Config, where: str) -> Iterator[Finding]:
    """Findings for the settings files, which the app would refuse."""
    names = sorted(file.rfilename for file in info.siblings or [])
    for name in (name for name in names if name.endswith(".json") and "/" not in name and name not in contents.DATA):
        problem = contents.problem(
            info.id, name, mapping(partial(_file, api, info), name), config.model.trust_remote_code
        )
        if problem:
            yield Finding("error", where, problem)


def _weights(info: ModelInfo, config: Config, hardware: str, where: str, shape: Mapping[str, Any]) -> Iterator[Finding]:
    safe = _safetensors(info)
    if not safe:
        problem = f"model.id: expected weights as *.safetensors in {info.id!r}, found none"
        yield Finding("error", where, problem, "Choose a model that has them: other formats can run code when loaded")
        return
    count = info.safetensors.total if info.safetensors else None
    text = shape.get("text_config", shape)
    weights, loading = safe, 0
    if shape.get("quantization_config"):
        yield from ready(config, shape, requirements.read(), where)
    elif count:
        weights = weight_bytes(count, text, config, hardware)
        loading = loading_bytes(count, weights, config, hardware)
    if count:
        yield Finding("note", where, f"{shown(count, PARAMETERS)} parameters, {shown(safe, DECIMAL)} to download")
    yield from fits_disk(safe, weights, hardware, where)
    yield from fits(Need(weights, cache_bytes(text, config, hardware), loading), hardware, config, where)


def _safetensors(info: ModelInfo) -> int:
    """Bytes of the repository's weights in safetensors."""
    stored = {file.rfilename: file.size or 0 for file in info.siblings or []}
    return sum(size for name, size in stored.items() if name.endswith(".safetensors") and "/" not in name)


def _file(api: HfApi, info: ModelInfo, name: str) -> str | None:
    if name not in {file.rfilename for file in info.siblings or []}:
        return None
    with hub_errors(f"read {name} of {info.id}", info.id):
        return Path(api.hf_hub_download(info.id, name, revision=info.sha)).read_text("utf-8")
