"""Finds a model's files in a folder or downloads them from the Hub, and explains failures."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from huggingface_hub import errors as hub
from huggingface_hub import snapshot_download
from tqdm.auto import tqdm

from streamspace.errors import ModelError, first_line
from streamspace.i18n import t
from streamspace.repository import ROOT, is_local

log = logging.getLogger(__name__)
# The files of a causal language model; no pickled weights, and no code unless the config trusts it.
WANTED = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]
UNWANTED = ["*/*", "consolidated*"]  # copies in other formats, which would double the download


def fetch(name: str, revision: str | None, code: bool = False, on_progress: Callable[[str], None] = log.info) -> Path:
    """The local folder of a model: `name` itself if it is a folder, else a download. Raises ModelError."""
    if is_local(name):
        return _local(name)
    on_progress(t("status.finding", name=name))
    wanted = [*WANTED, "*.py"] if code else WANTED
    try:
        folder = snapshot_download(
            name, revision=revision, allow_patterns=wanted, ignore_patterns=UNWANTED, tqdm_class=_bar(name, on_progress)
        )
        return Path(folder)
    except Exception as error:
        raise ModelError(_hub_problem(name, revision, error), detail=first_line(error)) from error


def fetch_adapter(name: str, revision: str | None) -> Path:
    """The local folder of a LoRA adapter, found as in `fetch`. Raises ModelError about `model.adapter`."""
    try:
        local = (ROOT / name).resolve()
        if (local / "adapter_config.json").is_file():
            return local
        return fetch(name, revision)
    except ModelError as error:
        raise ModelError(str(error).replace("model.", "model.adapter.", 1), detail=error.detail) from error


def _bar(name: str, on_progress: Callable[[str], None]) -> type[tqdm[Any]]:
    """A progress bar for the terminal that also reports the bytes so far, at most once per second."""

    class Bar(tqdm):  # type: ignore[type-arg]
        told = 0.0

        def update(self, n: float | None = 1) -> bool | None:
            shown: bool | None = super().update(n)
            if self.unit == "B" and self.total and time.monotonic() - self.told > 1:
                self.told = time.monotonic()
                on_progress(t("status.downloading", name=name, done=self.n / 1e9, whole=self.total / 1e9))
            return shown

    return Bar


def _local(name: str) -> Path:
    folder = (ROOT / Path(name).expanduser()).resolve()
    if not (folder / "config.json").is_file():
        found = "a folder without config.json" if folder.is_dir() else "no such folder"
        raise ModelError(
            f"model.id: expected a folder with a model, got {name!r}, {found}. "
            "Correct the path, which starts at the repository's root, or name a model of the Hub as owner/name"
        )
    for file in folder.glob("*.safetensors"):
        if file.stat().st_size < 1024 and file.read_bytes().startswith(b"version https://git-lfs"):
            raise ModelError(
                f"model.id: expected weights in {file.name!r} of {name!r}, got a Git LFS pointer. Run: git lfs pull"
            )
    return folder


def _hub_problem(name: str, revision: str | None, error: Exception) -> str:
    page = f"https://huggingface.co/{name}"
    if isinstance(error, hub.GatedRepoError):
        return (
            f"model.id: {name!r} is gated, and this Space may not read it yet. Accept its terms on {page}, then give "
            "the Space a secret HF_TOKEN that may read it (at home: hf auth login)"
        )
    if isinstance(error, hub.RevisionNotFoundError):
        return (
            f"model.revision: expected a branch, tag or commit of {name!r}, got {revision!r}. See {page}/commits/main"
        )
    if isinstance(error, hub.RepositoryNotFoundError):
        return (
            f"model.id: expected a model on the Hub, found none called {name!r}. Check the spelling at {page}; "
            "if it is private, give the Space a secret HF_TOKEN that may read it"
        )
    if isinstance(error, hub.HFValidationError):
        return f"model.id: expected owner/name of the Hub or a folder such as ./models/tiny, got {name!r}"
    if isinstance(error, hub.LocalEntryNotFoundError | hub.OfflineModeIsEnabled | OSError) and not isinstance(
        error, hub.HfHubHTTPError
    ):
        return (
            f"model.id: {name!r} isn't in the cache, and the Hub can't be reached from here. Check the network "
            f"(HF_HUB_OFFLINE is {os.environ.get('HF_HUB_OFFLINE', 'not set')}), or use a local folder as model.id"
        )
    return f"model.id: the Hub refused {name!r}. The log says why. Try again later, or see {page}"
