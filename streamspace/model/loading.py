"""Loads a model and its tokenizer from their files, and explains failures."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
)

from streamspace.config.types import Model
from streamspace.errors import ModelError, first_line
from streamspace.model import contents, template_trial
from streamspace.model import quantization as quantizing
from streamspace.model.files import fetch, fetch_adapter
from streamspace.model.generation import generation_config
from streamspace.model.packing import pack
from streamspace.model.placement import Placement
from streamspace.repository import ROOT

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loaded:
    """A loaded model with its tokenizer. `context_window` is in tokens; `processor` is for images."""

    model: Any
    tokenizer: Any
    context_window: int
    processor: Any = None


def load(
    settings: Model, placement: Placement, on_progress: Callable[[str], None] = log.info, *, images: bool = False
) -> Loaded:
    """The config's model, on the placement's device, ready to generate. Raises ModelError.

    `images` loads a model that reads images, with its processor.
    """
    started = time.monotonic()
    quantizing.check_package(settings, placement)
    folder = fetch(settings.id, settings.revision, code=settings.trust_remote_code, on_progress=on_progress)
    contents.check(settings.id, folder, settings.trust_remote_code)
    on_progress(f"Loading {settings.id} into memory")
    with _explained(settings.id):
        processor = _processor(settings, folder) if images else None
        tokenizer = _tokenizer(settings, folder, processor)
        model = _model(settings, folder, placement, AutoModelForImageTextToText if images else AutoModelForCausalLM)
        if settings.adapter:
            model = _adapted(model, settings)
        parameters = model.num_parameters()
        model = model.eval()
        if settings.quantization == "int8" and placement.device == "cpu":
            model = quantizing.dynamic(model)
        elif placement.device == "cpu" and not images and not getattr(model, "is_quantized", False):
            model = pack(model)
        model = model.to(placement.device)
    model.generation_config = generation_config(model, tokenizer)
    window = _context_window(model, tokenizer)
    log.info(
        "Model %s: %.1fM parameters, context window %d tokens, ready after %.1f s",
        settings.id, parameters / 1e6, window, time.monotonic() - started,
    )  # fmt: skip
    return Loaded(model, tokenizer, window, processor)


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
        raise ModelError(
            f"model.id: {name!r} needs a package that isn't installed. The log names it: add it to requirements.txt",
            detail=first_line(error),
        ) from error
    except Exception as error:
        raise ModelError(
            f"model.id: {name!r} can't be loaded with transformers {transformers.__version__}. The log says why",
            detail=first_line(error),
        ) from error


def _processor(settings: Model, folder: Path) -> Any:
    auto: Any = AutoProcessor
    processor = auto.from_pretrained(folder, trust_remote_code=settings.trust_remote_code)
    if not hasattr(processor, "image_processor"):
        raise ModelError(
            f"model.id: expected a model that reads images for task: image-chat, got {settings.id!r}, which has no "
            "image processor. Set task: chat, or choose a vision-language model"
        )
    return processor


def _tokenizer(settings: Model, folder: Path, processor: Any = None) -> Any:
    """The tokenizer, with the config's chat template, else the processor's, else its own."""
    if processor:
        tokenizer = processor.tokenizer
        tokenizer.chat_template = processor.chat_template or tokenizer.chat_template
    else:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=settings.trust_remote_code)
    if settings.chat_template:
        file = ROOT / settings.chat_template
        if not file.is_file():
            raise ModelError(f"model.chat_template: expected a .jinja file, found none at {settings.chat_template!r}")
        tokenizer.chat_template = file.read_text("utf-8")
    _check_template(tokenizer.chat_template, settings.id)
    return tokenizer


def _check_template(found: str | dict[str, str] | None, name: str) -> None:
    """Tries the templates before anything here renders one. Raises ModelError for one that doesn't come to an end."""
    for source in found.values() if isinstance(found, dict) else [found] if found else []:
        try:
            template_trial.trial(source)
        except template_trial.Endless:
            raise ModelError(
                f"model.chat_template: expected one that renders a conversation in milliseconds, got that of {name!r}, "
                "which takes more time or memory than a template needs. Name a .jinja file of your own"
            ) from None


def _model(settings: Model, folder: Path, placement: Placement, kind: Any) -> Any:
    """The model, on the CPU unless it is quantized: quantized weights are made, or read, on the device."""
    config = AutoConfig.from_pretrained(folder, trust_remote_code=settings.trust_remote_code)
    quantizing.check_weights(settings, config)
    loaded: Any = kind.from_pretrained(
        folder,
        config=config,
        dtype=getattr(torch, placement.dtype),
        attn_implementation=None if settings.attention == "auto" else settings.attention,
        use_safetensors=True,
        trust_remote_code=settings.trust_remote_code,
        output_loading_info=True,
        **quantizing.options(settings, placement),
    )
    model, report = loaded
    if missing := sorted(report["missing_keys"]):
        raise ModelError(
            f"model.id: the weights of {settings.id!r} lack {len(missing)} tensors, for example {missing[0]!r}. "
            "Is it an adapter (then name it in model.adapter), or an incomplete copy?"
        )
    return model


def _adapted(model: Any, settings: Model) -> Any:
    """The model with the adapter's weights merged into it, which adds no cost per token."""
    from peft import PeftModel

    assert settings.adapter
    folder = fetch_adapter(settings.adapter.id, settings.adapter.revision)
    contents.check(settings.adapter.id, folder, code=False)
    if not (folder / "adapter_model.safetensors").is_file():
        raise ModelError(
            f"model.adapter.id: expected adapter_model.safetensors in {settings.adapter.id!r}, found none. Save it in "
            "that format: others can run code when they are loaded"
        )
    adapted = PeftModel.from_pretrained(model, str(folder), torch_device="cpu")  # ZeroGPU only emulates the other one
    return adapted.merge_and_unload()


def _context_window(model: Any, tokenizer: Any) -> int:
    """The maximum number of prompt and reply tokens, by the model's config, else by its tokenizer."""
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None) or tokenizer.model_max_length
    return int(limit) if limit < 10**9 else 32_768
