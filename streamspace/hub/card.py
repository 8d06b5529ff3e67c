"""The Space's card: README.md's front matter, generated from a config."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import yaml

from streamspace import gguf
from streamspace.config import writing
from streamspace.config.model import Model
from streamspace.config.parsing import parse
from streamspace.config.types import Config
from streamspace.hub import requirements
from streamspace.repository import ROOT, is_local

README = ROOT / "README.md"
PYTHON = "3.12"  # the Space's version; checks/platform.py lists those that ZeroGPU accepts
BLOCK = re.compile(r"\A---\n(.*?)^---\n", re.DOTALL | re.MULTILINE)


def render(config: Config, files: Sequence[str] = ()) -> str:
    """The front matter with its `---` lines; `files` are the model's, required to preload a pinned revision."""
    return f"---\n{writing.block(fields(config, files))}---\n"


def fields(config: Config, files: Sequence[str] = ()) -> dict[str, Any]:
    """The card's keys in the Hub's spelling (hub docs, "Spaces Configuration Reference")."""
    card = config.card
    gradio = requirements.pin("gradio", requirements.read()) or ""
    known: dict[str, Any] = {
        "title": card.title,
        "emoji": card.emoji,
        "colorFrom": card.color_from,
        "colorTo": card.color_to,
        "sdk": "gradio",
        "sdk_version": writing.Quoted(gradio),
        "python_version": writing.Quoted(PYTHON),
        "app_file": "app.py",
        "short_description": card.short_description,
        "license": card.license,
        "tags": list(card.tags),
        "models": models(config),
        "pinned": card.pinned,
        "suggested_hardware": card.hardware,
        "preload_from_hub": preload(config, files),
        **oauth(config),
    }
    return {name: value for name, value in known.items() if value not in ("", [])}


def oauth(config: Config) -> dict[str, Any]:
    """The keys for `access.login` (hub docs, "Adding a Sign-In with HF button to your Space").

    The Hub itself lets in only members of `hf_oauth_authorized_org`, which would shut out `access.users`.
    """
    access, zero = config.access, config.card.hardware == "zero-a10g"
    if not access.login:
        return {}
    scopes = [*(["read-memberships"] if access.organizations else []), *(["read-billing"] if zero else [])]
    organizations = [] if access.users else list(access.organizations)
    return {"hf_oauth": True, "hf_oauth_scopes": scopes, "hf_oauth_authorized_org": organizations}


def models(config: Config) -> list[str]:
    """The Hub repositories that the config uses: the model and its adapter."""
    if config.endpoint and config.endpoint.url:
        return []  # the model's name on that server, not necessarily one on the Hub
    named = [config.model.id, *([config.model.adapter.id] if config.model.adapter else [])]
    return [name for name in named if not is_local(name)]


def preload(config: Config, files: Sequence[str]) -> list[str]:
    """The entries that the build downloads. The Hub accepts a revision only together with file names."""
    model = config.model
    if not loads_from_hub(config) or not config.card.preload:
        return []
    if model.file:
        files = gguf.parts(model.file)
    if model.revision is None:
        return [f"{model.id} {','.join(files)}" if model.file else model.id]
    return [f"{model.id} {','.join(files)} {model.revision}"] if files and pinned(model) else []


def loads_from_hub(config: Config) -> bool:
    """Whether the Space loads its model from the Hub."""
    return not config.endpoint and not is_local(config.model.id)


def loads_from_here(config: Config) -> bool:
    """Whether the Space loads its model from its own files."""
    return not config.endpoint and is_local(config.model.id)


def read(text: str) -> dict[str, Any] | None:
    """The keys of a README's front matter, or None without valid front matter."""
    match = BLOCK.match(text)
    try:
        found = parse(match[1]) if match else None
    except yaml.YAMLError:
        return None
    return found if isinstance(found, dict) else None


def put(readme: str, front_matter: str) -> str:
    """The README with this front matter instead of its own."""
    return front_matter + BLOCK.sub("", readme, count=1)


def pinned(model: Model) -> bool:
    """Whether the revision is a commit. A branch or tag can move between the build and the start of the app."""
    return bool(re.fullmatch(r"[0-9a-f]{40}", model.revision or ""))
