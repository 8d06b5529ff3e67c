"""Finds a model's files in a folder or downloads them from the Hub, and explains failures."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub import errors as hub
from tqdm.auto import tqdm

from streamspace import gguf
from streamspace.config.model import Model
from streamspace.errors import ModelError, first_line
from streamspace.i18n import t
from streamspace.repository import ROOT, is_local

log = logging.getLogger(__name__)
# The files of a causal language model; no pickled weights, and no code unless the config trusts it.
DESCRIPTION = ["*.json", "*.jinja", "*.model", "*.txt"]
WEIGHTS = "*.safetensors"
WANTED = [*DESCRIPTION, WEIGHTS]
UNWANTED = ["*/*", "consolidated*"]  # copies in other formats, which would double the download
SAFE = "Choose a repository that has them, or convert it: https://huggingface.co/spaces/safetensors/convert"


def fetch_model(model: Model, on_progress: Callable[[str], None] = log.info, weights: bool = True) -> Path:
    """The local folder of the config's model, as `fetch` finds it, or that of its GGUF file. Raises ModelError."""
    if not model.gguf:
        return fetch(model.id, model.revision, model.trust_remote_code, on_progress, weights)
    if (count := len(gguf.parts(model.gguf))) > 1:
        raise ModelError(
            f"model.file: expected one file, got {model.gguf!r}, the first of {count}, which only llama.cpp reads. "
            "Set engine: llamacpp, or choose a file that isn't split"
        )
    return fetch_gguf(model, on_progress).parent


def gguf_option(model: Model) -> dict[str, str]:
    """What names the GGUF file, where the model is one, to each of transformers' classes."""
    return {"gguf_file": PurePath(model.gguf).name} if model.gguf else {}


def fetch(
    name: str,
    revision: str | None,
    code: bool = False,
    on_progress: Callable[[str], None] = log.info,
    weights: bool = True,
) -> Path:
    """The local folder of a model: `name` itself if it is a folder, else a download. Raises ModelError.

    Without `weights` it has what describes the model: config, tokenizer, chat template.
    """
    if is_local(name):
        folder = _local(name)
    else:
        on_progress(t("status.finding", name=name))
        wanted = [*(WANTED if weights else DESCRIPTION), *(["*.py"] if code else [])]
        folder = downloaded(name, revision, wanted, on_progress)
    if not (folder / "config.json").is_file() or (weights and not any(folder.glob(WEIGHTS))):
        raise ModelError(no_model(name, _files(folder) if is_local(name) else _listed(name, revision)))
    return folder


def downloaded(name: str, revision: str | None, wanted: list[str], on_progress: Callable[[str], None]) -> Path:
    """The folder of what is wanted of a repository on the Hub, downloaded if need be. Raises ModelError."""
    try:
        folder = snapshot_download(
            name, revision=revision, allow_patterns=wanted, ignore_patterns=UNWANTED, tqdm_class=_bar(name, on_progress)
        )
        return Path(folder)
    except Exception as error:
        raise ModelError(_hub_problem(name, revision, error), detail=first_line(error)) from error


def fetch_gguf(model: Model, on_progress: Callable[[str], None] = log.info) -> Path:
    """The GGUF file on this machine, the first of a split one, with the others beside it. Raises ModelError."""
    name, wanted = model.gguf or "", gguf.parts(model.gguf or "")
    if is_local(model.id):
        local = ROOT / Path(model.id).expanduser()  # as it is: the Hub's cache has links to files with other names
        folder = local.parent if local.is_file() else local
    else:
        on_progress(t("status.finding", name=model.id))
        try:
            bar = _bar(model.id, on_progress)
            folder = Path(snapshot_download(model.id, revision=model.revision, allow_patterns=wanted, tqdm_class=bar))
        except Exception as error:
            raise ModelError(_hub_problem(model.id, model.revision, error)) from error
    if missing := [each for each in wanted if not (folder / each).is_file()]:
        raise ModelError(
            f"model.file: expected a file of {model.id!r}, found none called {missing[0]!r}. "
            "`python -m streamspace check --online` lists those of a model on the Hub"
        )
    return folder / name


def _files(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()] if folder.is_dir() else []


def _listed(name: str, revision: str | None) -> list[str]:
    try:
        return HfApi().list_repo_files(name, revision=revision)
    except Exception as error:
        raise ModelError(_hub_problem(name, revision, error), detail=first_line(error)) from error


def no_model(name: str, files: list[str]) -> str:
    """What a repository or a folder has in place of a model in safetensors."""
    if "adapter_config.json" in files:
        return (
            f"model.id: expected a whole model, got {name!r}, a LoRA adapter. Name it in model.adapter, and the model "
            "that it was made for in model.id"
        )
    expected = f"model.id: expected safetensors in {name!r}"
    if packed := sorted(file for file in files if file.endswith(".gguf")):
        return f"{expected}, got GGUF files, for example {packed[0]!r}. Name one of them in model.file"
    if pickled := sorted(file for file in files if file.endswith((".bin", ".pt", ".pth", ".ckpt"))):
        return f"{expected}, got {pickled[0]!r}, a format that can run code when it is loaded. {SAFE}"
    return f"{expected}, found no weights. {SAFE.partition(',')[0]}"


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
    files = _files(folder)
    if not any(file.endswith((".json", ".gguf")) for file in files):
        found = "a folder without config.json" if folder.is_dir() else "no such folder"
        raise ModelError(
            f"model.id: expected a folder with a model, got {name!r}, {found}. "
            "Correct the path, which starts at the repository's root, or name a model of the Hub as owner/name"
        )
    for file in folder.glob(WEIGHTS):
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
