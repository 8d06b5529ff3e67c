"""Says by a model's config.json whether it can do a task, and which packages it needs; `files` finds the file.

transformers' tables are asked only where the file alone doesn't tell, since they bring torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

WRITES = re.compile(r"CausalLM|LMHead|DoubleHeads|ConditionalGeneration|Decoder")  # in the name of a model's class
CHOOSE = "Choose a causal language model, as the Hub lists them under Text Generation"
EXTRA = {"fast_vlm": "timm", "gemma3n": "timm", "perception_lm": "timm", "smolvlm": "num2words"}
PIXTRAL = ("mistral3", "mistral_large4")  # its processor takes no images without torchvision


def obstacle(shape: Mapping[str, Any], name: str, task: str, tables: bool = False) -> tuple[str, str] | None:
    """Why a model, by its config.json, can't do the task, and the next step; None where it can, or brings own code.

    With `tables` transformers' own are asked in any case.
    """
    kind, classes = str(shape.get("model_type", "")), shape.get("architectures") or []
    if shape.get("auto_map") or not shape:
        return None
    if shape.get("is_encoder_decoder"):
        return f"model.id: expected a causal language model, got {name!r}, an encoder-decoder ({kind})", CHOOSE
    writes = any(map(WRITES.search, classes))
    if tables and writes and _is_encoder(kind) and not shape.get("is_decoder"):
        return f"model.id: expected a causal language model, got {name!r}, an encoder ({kind})", CHOOSE
    if classes and not writes and ("For" in classes[0] or _is_encoder(kind)):
        return (
            f"model.id: expected a causal language model, got {name!r}, whose class {classes[0]} writes no text",
            CHOOSE,
        )
    if task == "image-chat":
        return None if _reads_images(kind, shape) else _no_images(name)
    if "ForConditionalGeneration" in str(classes) or _parts(shape):
        return _not_text_alone(kind, name)
    return None


def packages(shape: Mapping[str, Any], task: str) -> Iterator[str]:
    """The packages beyond requirements.txt that a model needs for the task."""
    kind = str(shape.get("model_type", ""))
    if kind in EXTRA:
        yield EXTRA[kind]
    if task == "image-chat" and _needs_torchvision(kind):
        yield "torchvision"


def missing(name: str, package: str) -> str:
    """What is said where a package that a model needs isn't installed."""
    return (
        f"model.id: {name!r} needs a package that isn't installed: {package}. Add a line to requirements.txt: {package}"
    )


def unknown(shape: Mapping[str, Any], name: str) -> str | None:
    """What is wrong with a model whose type transformers has no code for."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    kind = shape.get("model_type")
    if kind in CONFIG_MAPPING:
        return None
    if not shape.get("auto_map"):
        return too_new("model_type", kind, name)
    return (
        f"model.trust_remote_code: expected a model that transformers has code for, got {name!r} ({kind}), which "
        "brings Python code of its own. Read that code; to run it, write a config by hand with trust_remote_code: true "
        "and the commit that you read"
    )


def too_new(key: str, found: object, name: str) -> str:
    """What is said of a value in a config.json that the installed transformers doesn't know."""
    from transformers import __version__

    return (
        f"model.id: expected a {key} that transformers {__version__} knows, got {found!r} in config.json of {name!r}. "
        "Take a newer transformers in requirements.txt, or another model"
    )


def quantizations() -> set[str]:
    """The formats of quantized weights that transformers reads."""
    from transformers.quantizers.auto import AUTO_QUANTIZATION_CONFIG_MAPPING

    return {name.removesuffix("_4bit").removesuffix("_8bit") for name in AUTO_QUANTIZATION_CONFIG_MAPPING}


def unknown_rope_type(config: Any) -> object:
    """The way of scaling positions that a loaded config asks for, if transformers doesn't know it."""
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    asked = getattr(config.get_text_config(), "rope_parameters", None) or {}
    each = [asked, *(part for part in asked.values() if isinstance(part, dict))]
    kinds = [part.get("rope_type", "default") for part in each]
    return next((kind for kind in kinds if kind not in {*ROPE_INIT_FUNCTIONS, "default"}), None)


def _parts(shape: Mapping[str, Any]) -> bool:
    """Whether the model has parts for something else than text."""
    return any(key.endswith("_config") and key not in ("text_config", "quantization_config") for key in shape)


def _not_text_alone(kind: str, name: str) -> tuple[str, str] | None:
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
    )

    if kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return None
    if kind in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES:
        return f"task: expected image-chat for {name!r}, a model that reads images ({kind})", "Set task: image-chat"
    return f"model.id: expected a causal language model, got {name!r}, which isn't one ({kind})", CHOOSE


def _is_encoder(kind: str) -> bool:
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

    return kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES


def _reads_images(kind: str, shape: Mapping[str, Any]) -> bool:
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

    return "vision_config" in shape or kind in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES


def _no_images(name: str) -> tuple[str, str]:
    return (
        f"model.id: expected a model that reads images for task: image-chat, got {name!r}, which doesn't",
        "Set task: chat, or choose a vision-language model",
    )


def _needs_torchvision(kind: str) -> bool:
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES
    from transformers.models.auto.video_processing_auto import VIDEO_PROCESSOR_MAPPING_NAMES

    images = IMAGE_PROCESSOR_MAPPING_NAMES.get(kind, {"pil": ""})
    return kind in VIDEO_PROCESSOR_MAPPING_NAMES or "pil" not in images or kind in PIXTRAL
