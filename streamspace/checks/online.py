"""Checks a config's model on the Hub: existence, access, memory and licence; its small files are `description`'s."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, ModelInfo, get_token
from huggingface_hub import errors as hub
from huggingface_hub.utils import disable_progress_bars

from streamspace.checks import costs, description, gguf_files
from streamspace.checks.cache import cache_bytes
from streamspace.checks.description import mapping
from streamspace.checks.device_fit import ready
from streamspace.checks.findings import Finding
from streamspace.checks.memory import DECIMAL, Need, fits, fits_disk, shown
from streamspace.checks.weights import PARAMETERS, is_unpacked, loaded, on_cpu, stored
from streamspace.config import file as configfile
from streamspace.config.model import Adapter
from streamspace.config.types import Config
from streamspace.hub import card, requirements
from streamspace.hub.errors import hub_errors
from streamspace.model import contents
from streamspace.model.adapter import other_base
from streamspace.model.defaults import completed
from streamspace.repository import is_local

HOW_TO_GIVE_IT = "Deploy with --secret HF_TOKEN=VARIABLE, an environment variable that holds a token for reading it"

FASTER = (  # docs/scaling.md has the measurement
    "on a CPU, a GGUF file of this model in Q8_0, or model.quantization: int8, writes 1.5 to 2.4 times as fast for one "
    "visitor, and a little differently"
)


def findings(config: Config, path: Path, hardware: str | None = None, api: HfApi | None = None) -> list[Finding]:
    """Findings for the model and the adapter, on `hardware` or the card's, with the token of `api` or your own.

    Raises DeployError without the Hub.
    """
    disable_progress_bars()
    where = configfile.typed(path)
    asked = api or HfApi()
    found: list[Finding] = []
    hardware = hardware or config.card.hardware
    if card.loads_from_hub(config):
        found += _model(asked, config, hardware, where)
    adapter = config.model.adapter
    if adapter and not config.endpoint and not is_local(adapter.id):
        found += _adapter(asked, config.model.id, adapter, where)
    if cost := costs.said(asked, hardware, config.card.sleep_minutes, config.card.replicas):
        found.append(Finding("note", where, cost))
    return found


def _model(api: HfApi, config: Config, hardware: str, where: str) -> Iterator[Finding]:
    info, refused = there(api, config.model.id, config.model.revision, "model", where)
    yield from refused
    if info is None:
        return
    yield from _access(info, config, where)
    yield from _settings(api, info, config, where)
    if config.model.file or (gguf_files.files(info) and not stored(info)):
        yield from gguf_files.on_hub(api, info, config, hardware, where)
        return
    read = partial(file, api, info)
    yield from _weights(info, config, hardware, where, mapping(read, "config.json"))
    yield from description.findings(config, read, requirements.read(), where)


def _adapter(api: HfApi, base: str, adapter: Adapter, where: str) -> Iterator[Finding]:
    info, refused = there(api, adapter.id, adapter.revision, "model.adapter", where)
    yield from refused
    described = file(api, info, "adapter_config.json") if info else None
    if described and (warning := other_base(described, base, adapter.id)):
        yield Finding("warning", where, warning, "Name the model that the adapter was made for in model.id")


def there(api: HfApi, name: str, revision: str | None, key: str, where: str) -> tuple[ModelInfo | None, list[Finding]]:
    """The Hub's description of the model, or a finding if it can't be read."""
    page = f"https://huggingface.co/{name}"
    try:
        with hub_errors(f"ask about {name}", name, "model"):
            info = api.model_info(name, revision=revision, files_metadata=True)
            api.auth_check(name)
            return info, []
    except Exception as error:
        cause = error.__cause__
        if isinstance(cause, hub.GatedRepoError):
            token = "this token may not read it" if _token(api) else "there is no token, so nobody may read it"
            problem = f"{key}.id: {name!r} is gated, and {token}"
            hint = f"Accept its terms on {page}, then {_give(api)}"
        elif isinstance(cause, hub.RevisionNotFoundError):
            problem = f"{key}.revision: expected a branch, tag or commit of {name!r}, got {revision!r}"
            hint = f"See {page}/commits/main"
        elif isinstance(cause, hub.RepositoryNotFoundError):
            problem = f"{key}.id: expected a model on the Hub, found none called {name!r}"
            hint = f"Check the spelling at {page}; if it is private, {_give(api)}"
        else:
            raise
        return None, [Finding("error", where, problem, hint)]


def _token(api: HfApi) -> str | None:
    """What the client shows: `api.token`, or your own unless that is False."""
    return get_token() if api.token is None else str(api.token or "")


def _give(api: HfApi) -> str:
    """How to give a token: here, unless `api` is a Space's, which gets its own."""
    if api.token is None:
        return "give a token that may read it: hf auth login, or HF_TOKEN"
    return f"{HOW_TO_GIVE_IT[0].lower()}{HOW_TO_GIVE_IT[1:]}"


def _access(info: ModelInfo, config: Config, where: str) -> Iterator[Finding]:
    if info.gated and config.card.preload:
        problem = f"card.preload: expected false, since {info.id!r} is gated and the build can't read it, got true"
        yield Finding("error", where, problem)
    if info.gated or info.private:
        yield Finding("note", where, "the Space needs a secret HF_TOKEN", HOW_TO_GIVE_IT)
    licence = getattr(info.card_data, "license", None)
    if licence:
        yield Finding("note", where, f"the model's licence is {licence}", "Read it before you make the Space public")
        named = getattr(info.card_data, "license_name", None)
        if config.model.license not in ("", licence, named):
            problem = f"model.license: expected {named or licence!r}, as the card of {info.id!r} says, got "
            yield Finding("warning", where, f"{problem}{config.model.license!r}", "Visitors read it below the page")
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
    names = sorted(each.rfilename for each in info.siblings or [])
    for name in (name for name in names if name.endswith(".json") and "/" not in name and name not in contents.DATA):
        problem = contents.problem(
            info.id, name, mapping(partial(file, api, info), name), config.model.trust_remote_code
        )
        if problem:
            yield Finding("error", where, problem)


def _weights(info: ModelInfo, config: Config, hardware: str, where: str, shape: Mapping[str, Any]) -> Iterator[Finding]:
    if not stored(info):
        problem = f"model.id: expected weights as *.safetensors in {info.id!r}, found none"
        yield Finding("error", where, problem, "Choose a model that has them: other formats can run code when loaded")
        return
    if quantized := shape.get("quantization_config"):
        yield from ready(config, shape, requirements.read(), where)
        if is_unpacked(method := quantized.get("quant_method"), hardware):
            yield Finding("note", where, f"the weights are in {method}, and become bfloat16 on {hardware}")
    if info.safetensors:
        count = shown(info.safetensors.total, PARAMETERS)
        yield Finding("note", where, f"{count} parameters, {shown(stored(info), DECIMAL)} to download")
    needed = need(info, shape, config, hardware)
    yield from fits_disk(stored(info), needed.weights, hardware, where)
    yield from fits(needed, hardware, config, where)
    if on_cpu(config, hardware) and config.task != "image-chat" and config.model.quantization == "none":
        yield Finding("note", where, FASTER, "Name the file in model.file, if somebody has made one")


def need(info: ModelInfo, shape: Mapping[str, Any], config: Config, hardware: str) -> Need:
    """The memory that a repository's weights and their cache need on this hardware."""
    weights, loading = loaded(info, shape, config, hardware)
    return Need(weights, cache_bytes(completed(shape), config, hardware), loading)


def file(api: HfApi, info: ModelInfo, name: str) -> str | None:
    """The text of a small file of the repository, if there is one. Raises DeployError."""
    if name not in {each.rfilename for each in info.siblings or []}:
        return None
    with hub_errors(f"read {name} of {info.id}", info.id, "model"):
        return Path(api.hf_hub_download(info.id, name, revision=info.sha)).read_text("utf-8")
