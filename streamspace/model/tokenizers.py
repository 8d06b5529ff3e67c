"""Makes a model's tokenizer, or its processor, of their files, and explains what is missing of them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from transformers import AutoProcessor, AutoTokenizer
from transformers.integrations.mistral import convert_tekken_tokenizer

from streamspace.config.model import Model
from streamspace.errors import ModelError
from streamspace.model import template_trial
from streamspace.model.files import gguf_option
from streamspace.model.suitability import missing
from streamspace.repository import ROOT

TOKENIZERS = {"tokenizer.json", "tekken.json", "vocab.json", "vocab.txt"}  # beside those that end in .model


def processor(settings: Model, folder: Path) -> Any:
    """What makes tokens and pixels of texts and images, for a model that reads both. Raises ModelError."""
    auto: Any = AutoProcessor
    try:
        found = auto.from_pretrained(folder, trust_remote_code=settings.trust_remote_code)
    except OSError as error:
        if any(folder.glob("*processor_config.json")):
            raise
        raise ModelError(
            f"model.id: expected an image processor in {settings.id!r}, found no preprocessor_config.json. Copy the "
            "files of its base model's processor into it, or choose a repository that has them"
        ) from error
    if not hasattr(found, "image_processor"):
        raise ModelError(
            f"model.id: expected a model that reads images for task: image-chat, got {settings.id!r}, which has no "
            "image processor. Set task: chat, or choose a vision-language model"
        )
    return found


def tokenizer(settings: Model, folder: Path, processor: Any = None) -> Any:
    """The tokenizer, with the config's chat template, else the processor's, else its own. Raises ModelError."""
    if processor:
        found = processor.tokenizer
        found.chat_template = processor.chat_template or found.chat_template
    else:
        try:
            trusted = settings.trust_remote_code
            found = AutoTokenizer.from_pretrained(folder, trust_remote_code=trusted, **gguf_option(settings))
        except Exception:
            _check_tokenizer(settings, folder)
            raise
        if type(found).__name__ == "MistralCommonBackend":  # which has no chat template and can't mark control tokens
            found = convert_tekken_tokenizer(str(folder / "tekken.json"))
    if settings.chat_template:
        file = ROOT / settings.chat_template
        if not file.is_file():
            raise ModelError(f"model.chat_template: expected a .jinja file, found none at {settings.chat_template!r}")
        found.chat_template = file.read_text("utf-8")
    template_trial.check(found.chat_template, settings.id)
    return found


def _check_tokenizer(settings: Model, folder: Path) -> None:
    """Raises ModelError where a tokenizer's files or its package are missing: transformers lists its attempts."""
    found = {file.name for file in folder.iterdir()}
    if "tekken.json" in found and not importlib.util.find_spec("mistral_common"):
        raise ModelError(missing(settings.id, "mistral-common"))
    if not found & TOKENIZERS and not any(name.endswith(".model") for name in found):
        raise ModelError(
            f"model.id: expected a tokenizer in {settings.id!r}, found no tokenizer.json and no tokenizer.model. Copy "
            "the files of its base model's tokenizer into it, or choose a repository that has them"
        )
