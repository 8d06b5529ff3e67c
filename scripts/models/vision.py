"""Tries types of model that read images, as `architectures` tries those of text; some need packages of their own."""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.models import architectures, sources
from scripts.models.architectures import ROOT, Row

SIDE, PATCH = 32, 8  # pixels of what a tiny model sees, and of a piece of it
SQUARE = {"size": {"height": SIDE, "width": SIDE}}
UNSPLIT = {"do_image_splitting": False}
LONGEST = {"size": {"longest_edge": SIDE}, "max_image_size": {"longest_edge": SIDE}, **UNSPLIT}
CROPPED = {"size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE}}
TILES = {"image_grid_pinpoints": [[SIDE, SIDE], [SIDE, 2 * SIDE], [2 * SIDE, SIDE]]}
FEW = {"min_image_tokens": 1, "max_image_tokens": 4}
MERGED = {"patch_size": PATCH, "merge_size": 2, "size": {"shortest_edge": SIDE**2, "longest_edge": 4 * SIDE**2}}
CLIP = {"patch_size": PATCH, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
ROPE = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [2, 3, 3]}
QUESTION = "What is this?"
START, END = "<|vision_start|>", "<|vision_end|>"
TEMPLATE = """{% for message in messages %}<|im_start|>{{ message['role'] }}
{% for part in message['content'] %}{{ part['text'] if 'text' in part else 'IMAGE' }}{% endfor %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
# Each type with what its image processor and its processor are made with; transformers has about a hundred, most of
# which are one of these under another name.
TYPES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "gemma3": (SQUARE, {"image_seq_length": 4}),
    "idefics2": ({"size": {"shortest_edge": 16, "longest_edge": SIDE}, **UNSPLIT}, {"image_seq_len": 4}),
    "idefics3": (LONGEST, {"image_seq_len": 4}),
    "internvl": (SQUARE, {"image_seq_length": 1}),
    "lfm2_vl": ({"encoder_patch_size": PATCH, "tile_size": SIDE, **UNSPLIT, **FEW}, {}),
    "llava": (CROPPED, CLIP),
    "llava_next": ({**CROPPED, **TILES}, CLIP),
    "llava_onevision": ({**SQUARE, **TILES}, {"num_image_tokens": 16, "vision_feature_select_strategy": "full"}),
    "mistral3": ({"size": {"longest_edge": SIDE}, "patch_size": PATCH}, {"patch_size": PATCH, "spatial_merge_size": 2}),
    "mllama": (SQUARE, {}),
    "paligemma": ({**SQUARE, "image_seq_length": 16}, {}),
    "qwen2_5_vl": (MERGED, {}),
    "qwen2_vl": (MERGED, {}),
    "qwen3_5": (MERGED, {}),
    "qwen3_vl": (MERGED, {}),
    "smolvlm": (LONGEST, {"image_seq_len": 4}),
}  # fmt: skip
NO_TEXT_ALONE = ("paligemma",)
# What the model's config has to be beside that, by dotted keys.
CONFIGS: dict[str, dict[str, Any]] = {
    "gemma3": {"mm_tokens_per_image": 4},
    "idefics2": {"perceiver_config.resampler_n_latents": 4},
    "llava_next": TILES,
    "llava_onevision": TILES,
    "mllama": {
        "vision_config.intermediate_layers_indices": [1, 2],
        "vision_config.vision_output_dim": 3 * 64,
        "text_config.cross_attention_layers": [1],
    },
    "qwen2_5_vl": {"vision_config.window_size": SIDE, "text_config.rope_parameters": ROPE},
    "qwen2_vl": {"text_config.rope_parameters": ROPE},
}
NAMED = {  # the tokens that processors ask their tokenizer for, by name
    "image_token": "<image>", "video_token": "<video>", "context_image_token": "<image>", "boi_token": "<boi>",
    "eoi_token": "<eoi>", "start_image_token": "<img>", "end_image_token": "</img>",
    "image_boundary_token": "<fake_token_around_image>", "fake_image_token": "<fake_token_around_image>",
    "end_of_utterance_token": "<end_of_utterance>", "global_image_token": "<global-img>",
    "vision_start_token": START, "vision_end_token": END, "image_start_token": "<|image_start|>",
    "image_end_token": "<|image_end|>", "image_thumbnail_token": "<|img_thumbnail|>",
}  # fmt: skip
OTHER_NAMES = {"mllama": {"image_token": "<|image|>"}}
UNNAMED = ["[IMG]", "[IMG_BREAK]", "[IMG_END]", "<|python_tag|>"]
RUNS = {
    "images": {"engine": "generate", "task": "image-chat"},
    "int8 on a CPU": {"engine": "generate", "task": "image-chat", "model.quantization": "int8"},
}


def rows() -> Iterator[tuple[str, Row]]:
    """A row for each type, in new processes, which look for the packages before they import transformers."""
    sys.path.append(str(sources.packages()))
    return architectures.sweep(list(TYPES), tried, "images", "spawn")


def tried(name: str, folder: Path) -> Row:
    """The row of one type: what became of each run, or why no tiny model of it can be made."""
    _define_missing_operators()
    os.environ["GRADIO_TEMP_DIR"] = str(folder / "uploads")
    picture = _picture(folder / "uploads")
    try:
        expected = _make(name, folder / "model", picture)
    except Exception as error:
        return {"images": f"not tried: {type(error).__name__}: {architectures.short(error)}"}
    questions = [(QUESTION, [str(each) for each in images]) for images in _asked(name, picture)]
    return {
        column: architectures.run(folder / "model", changes, expected if column == "images" else None, questions)
        for column, changes in RUNS.items()
    }


@functools.cache
def _define_missing_operators() -> None:
    """The package index has torchvision for CUDA: beside a torch for CPUs it lacks its operators, and wants these."""
    import torch

    if sys.platform == "linux" and not torch.version.cuda:
        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float threshold) -> Tensor")


def _picture(folder: Path) -> Path:
    from PIL import Image

    folder.mkdir(parents=True)
    image = Image.new("RGB", (64, 48), "red")
    image.paste("black", (16, 12, 32, 24))
    image.save(folder / "red.png")
    return folder / "red.png"


def _make(name: str, folder: Path, picture: Path) -> list[str]:
    """Writes a tiny model with its processor; returns what transformers alone answers."""
    import torch
    from transformers import AutoModelForImageTextToText, GenerationConfig

    processor = _processor(name)
    torch.manual_seed(0)
    config = _config(name, processor)
    model = AutoModelForImageTextToText.from_config(config, dtype=torch.float32).eval()
    ends = processor.tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    model.generation_config = GenerationConfig(eos_token_id=ends, pad_token_id=ends[0], max_new_tokens=16)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return [_alone(model, processor, images) for images in _asked(name, picture)]


def _asked(name: str, picture: Path) -> list[list[Path]]:
    """The images of each question."""
    return [[picture]] if name in NO_TEXT_ALONE else [[picture], []]


def _alone(model: Any, processor: Any, images: list[Path]) -> str:
    """What transformers alone answers."""
    from PIL import Image

    pictures = [{"type": "image", "image": Image.open(path)} for path in images]
    messages = [{"role": "user", "content": [*pictures, {"type": "text", "text": QUESTION}]}]
    inputs = processor.apply_chat_template(
        messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )
    output = model.generate(**inputs)
    return str(processor.tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))


def _processor(name: str) -> Any:
    """The type's own processor, around the embedded model's tokenizer."""
    from transformers import AutoTokenizer
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES
    from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES
    from transformers.models.auto.video_processing_auto import VIDEO_PROCESSOR_MAPPING_NAMES

    for_images, own = TYPES[name]
    tokenizer = AutoTokenizer.from_pretrained(
        ROOT / "models/tiny", extra_special_tokens=NAMED | OTHER_NAMES.get(name, {})
    )
    tokenizer.add_tokens(UNNAMED, special_tokens=True)
    tokenizer.chat_template = None
    made = IMAGE_PROCESSOR_MAPPING_NAMES[name]
    parts = {"image_processor": _class(made.get("pil") or made["torchvision"])(**for_images), "tokenizer": tokenizer}
    kind = _class(PROCESSOR_MAPPING_NAMES[name])
    if "video_processor" in inspect.signature(kind).parameters:
        videos = VIDEO_PROCESSOR_MAPPING_NAMES[name]
        parts["video_processor"] = _class(videos if isinstance(videos, str) else videos["torchvision"])()
    processor = kind(**parts, **own)
    image = processor.image_token if name != "paligemma" else ""  # which puts its tokens in front by itself
    processor.chat_template = TEMPLATE.replace("IMAGE", f"{START}{image}{END}" if name.startswith("qwen") else image)
    return processor


def _class(name: str) -> Any:
    return getattr(importlib.import_module("transformers"), name)


def _config(name: str, processor: Any) -> Any:
    """A tiny config with the tokens of the processor."""
    from scripts.models import shapes

    tokenizer = processor.tokenizer
    config = shapes.config(name, len(tokenizer))
    token = "[IMG]" if name == "mistral3" else tokenizer.image_token
    ids = {"image_token_id": token, "image_token_index": token, "video_token_id": tokenizer.video_token}
    ids |= {"vision_start_token_id": START, "vision_end_token_id": END}
    for key, text in ids.items():
        if hasattr(config, key):
            setattr(config, key, tokenizer.convert_tokens_to_ids(text))
    for key, value in CONFIGS.get(name, {}).items():
        *parts, last = key.split(".")
        setattr(functools.reduce(getattr, parts, config), last, value)
    return config
