"""Loads a model and its tokenizer from their files, and explains failures."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from transformers import (
    CONFIG_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
)

from streamspace.config.model import Model
from streamspace.errors import ModelError, first_line
from streamspace.i18n import t
from streamspace.model import contents, context, suitability, tokenizers
from streamspace.model import quantization as quantizing
from streamspace.model.adapter import merged
from streamspace.model.files import fetch_model, gguf_option
from streamspace.model.generation import generation_config
from streamspace.model.packing import pack
from streamspace.model.placement import Placement

log = logging.getLogger(__name__)
PACKAGES = (  # where transformers, in its various sentences, has the name of a package that is missing
    r"pip install (?:-U )?['`]?([\w-]+)", r"requires the (?:Python )?[`']?([\w-]+)", r"module named '(\w+)",
)  # fmt: skip


@dataclass(frozen=True)
class Loaded:
    """A loaded model with its tokenizer. `context_window` is in tokens, see `context`; `processor` is for images."""

    model: Any
    tokenizer: Any
    context_window: int
    processor: Any = None


def load(
    settings: Model, placement: Placement, on_progress: Callable[[str], None] = log.info, *, task: str = "chat"
) -> Loaded:
    """The config's model, on the placement's device, ready to generate. Raises ModelError.

    For `task: image-chat` a model that reads images, with its processor. What the small files tell is looked at before
    the weights are downloaded.
    """
    started = time.monotonic()
    quantizing.check_package(settings, placement)
    fetched = partial(fetch_model, settings, on_progress)
    folder = fetched(weights=False)
    contents.check(settings.id, folder, settings.trust_remote_code)
    with _explained(settings.id):
        if not settings.gguf:
            _check_suitable(folder, settings, task)
        config = _config(settings, folder)
        processor = tokenizers.processor(settings, folder) if task == "image-chat" else None
        tokenizer = tokenizers.tokenizer(settings, folder, processor)
    folder = fetched()
    on_progress(t("status.memory", name=settings.id))
    with _explained(settings.id):
        model = _model(settings, folder, config, placement, processor)
        if settings.adapter:
            model = merged(model, settings.id, settings.adapter)
        parameters = model.num_parameters()
        model = _in_place(model, settings, placement, tokenizer)
    window = context.window(config.get_text_config().to_dict(), tokenizer.model_max_length)
    log.info(
        "Model %s: %.1fM parameters, context window %s, ready after %.1f s", settings.id, parameters / 1e6,
        f"{window} tokens" if window < context.UNBOUNDED else "without end", time.monotonic() - started,
    )  # fmt: skip
    return Loaded(model, tokenizer, window, processor)


def _check_suitable(folder: Path, settings: Model, task: str) -> None:
    """Raises ModelError where config.json tells that the model can't do the task, or needs a package."""
    shape = json.loads((folder / "config.json").read_text("utf-8"))
    if found := suitability.obstacle(shape, settings.id, task, tables=True):
        raise ModelError(". ".join(found))
    if (kind := shape.get("model_type")) not in CONFIG_MAPPING and not shape.get("auto_map"):
        raise ModelError(suitability.too_new("model_type", kind, settings.id))
    for package in suitability.packages(shape, task):
        if not importlib.util.find_spec(package):
            raise ModelError(suitability.missing(settings.id, package))


def _in_place(model: Any, settings: Model, placement: Placement, tokenizer: Any) -> Any:
    """The model on its device, with its layers as they are computed there."""
    model = model.eval()
    model.generation_config = generation_config(model, tokenizer)
    if settings.quantization == "int8" and placement.device == "cpu":
        model = quantizing.dynamic(model, settings.id)
    elif placement.device == "cpu" and not getattr(model, "is_quantized", False):
        model = pack(model)
    return model.to(placement.device)


@contextlib.contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turns what transformers, safetensors and torch raise into a ModelError with the next step."""
    try:
        yield
    except ModelError:
        raise
    except SafetensorError as error:
        raise ModelError(
            f"model.id: the weights of {name!r} are damaged. Download or copy them again", detail=first_line(error)
        ) from error
    except torch.OutOfMemoryError as error:
        raise ModelError(
            f"model.id: {name!r} doesn't fit into the GPU's memory. Choose a smaller model, or larger hardware"
        ) from error
    except ImportError as error:
        named = (found[1].lower() for pattern in PACKAGES if (found := re.search(pattern, str(error))))
        if package := next(named, None):
            raise ModelError(suitability.missing(name, package)) from error
        raise ModelError(
            f"model.id: {name!r} needs a package that isn't installed. The log names it: add it to requirements.txt",
            detail=first_line(error),
        ) from error
    except Exception as error:
        said = f"{type(error).__name__}: {first_line(error)}" if isinstance(error, KeyError) else first_line(error)
        raise ModelError(
            f"model.id: {name!r} can't be loaded with transformers {transformers.__version__}. The log says why",
            detail=said,
        ) from error


def _config(settings: Model, folder: Path) -> Any:
    trusted = settings.trust_remote_code
    config = AutoConfig.from_pretrained(folder, trust_remote_code=trusted, **gguf_option(settings))
    quantizing.check_weights(settings, config)
    if rope := suitability.unknown_rope_type(config):
        raise ModelError(suitability.too_new("rope_type", rope, settings.id))
    return config


def _model(settings: Model, folder: Path, config: Any, placement: Placement, processor: Any) -> Any:
    """The model, on the CPU unless it is quantized: quantized weights are made, or read, on the device."""
    kind: Any = AutoModelForImageTextToText if processor else AutoModelForCausalLM
    loaded = kind.from_pretrained(
        folder,
        config=config,
        dtype=getattr(torch, placement.dtype),
        attn_implementation=None if settings.attention == "auto" else settings.attention,
        use_safetensors=True,
        **gguf_option(settings),
        trust_remote_code=settings.trust_remote_code,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # they are told below
        **quantizing.options(settings, placement),
    )
    model, report = loaded
    _check_complete(settings.id, report)
    return model


def _check_complete(name: str, report: dict[str, Any]) -> None:
    """Raises ModelError where tensors are missing or of another shape, by what transformers says of the files."""
    for tensor, stored, expected in sorted(report["mismatched_keys"]):
        raise ModelError(
            f"model.id: expected weights of the shapes that config.json of {name!r} says, got {tensor!r} of "
            f"{tuple(stored)} instead of {tuple(expected)}. Take both from the same repository"
        )
    if missing := sorted(report["missing_keys"]):
        raise ModelError(
            f"model.id: the weights of {name!r} lack {len(missing)} tensors, for example {missing[0]!r}. "
            "Is it an incomplete copy, or a model without an output layer for text?"
        )
