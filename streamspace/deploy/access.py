"""Whether a Space will be able to read its model and its server: asked, before a push, with the token it will have."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from huggingface_hub import HfApi

from streamspace.checks import online
from streamspace.checks.findings import Finding
from streamspace.config import file as configfile
from streamspace.config.secrets import HUB
from streamspace.config.types import Config
from streamspace.deploy.plan import DesiredState
from streamspace.deploy.state import Remote

OWN = "the Space keeps its secret HF_TOKEN, which can't be read, so the model was asked about with your token"


def findings(
    desired: DesiredState, before: Remote | None, config: Config, path: Path, environ: Mapping[str, str] = os.environ
) -> list[Finding]:
    """Findings of the Hub about the config's model, and for secrets that the Space lacks. Raises DeployError."""
    api = HfApi(token=_token(desired, before, environ))
    found = [*_lacking(desired, before, config, path), *online.findings(config, path, desired.hardware, api)]
    kept = api.token is None and any(HUB in each.problem for each in found)
    return [*(each for each in found if each.severity != "note"), *_own(kept, path)]


def _token(desired: DesiredState, before: Remote | None, environ: Mapping[str, str]) -> str | bool | None:
    """The Space's token; False where it will have none, None (your own) where it has one that can't be read."""
    source, known = desired.secrets.get(HUB), _known(before)
    if source and (desired.replace_secrets or known is None or HUB not in known):
        return environ.get(source, "").strip() or False
    return None if known is None or HUB in known else False


def _lacking(desired: DesiredState, before: Remote | None, config: Config, path: Path) -> Iterator[Finding]:
    """A finding for each secret that the Space needs and neither has nor gets."""
    known = _known(before)
    for key, (name, holds) in config.needed().items():
        if name not in desired.secrets and known is not None and name not in known:
            problem = f"{key}: expected a secret {name!r} of the Space, with {holds}, found none"
            yield Finding("error", configfile.typed(path), problem, f"Deploy with --secret {name}")


def _own(kept: bool, path: Path) -> Iterator[Finding]:
    if kept:
        yield Finding("note", configfile.typed(path), OWN)


def _known(before: Remote | None) -> frozenset[str] | None:
    """The names of the Space's secrets; None where this token may not read them."""
    return frozenset() if before is None else before.secrets
