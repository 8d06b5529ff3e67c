"""A tiny model that reads images: the embedded model's words behind a random eye, made in a folder of the test's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from PIL import Image
from transformers import AutoTokenizer, Idefics3Config, Idefics3ForConditionalGeneration, Idefics3Processor
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

from streamspace.config.types import Limits
from streamspace.model.loading import Loaded
from streamspace.prompt.image_builder import ImagePromptBuilder
from streamspace.prompt.images import Images
from tests.running import ROOT

ASK = "What is this?"
SIDE = 32  # pixels of what the eye sees; each image becomes four tokens
TEMPLATE = """{% for message in messages %}<|im_start|>{{ message['role'] }}
{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


def make(folder: Path) -> Path:
    """Writes the model with its processor, as a folder that `model.id` can name."""
    tokenizer = AutoTokenizer.from_pretrained(ROOT / "models/tiny")
    tokenizer.chat_template = None
    images = Idefics3ImageProcessorPil(
        size={"longest_edge": SIDE}, max_image_size={"longest_edge": SIDE}, do_image_splitting=False
    )
    tokenizer.add_tokens(["<global-img>"], special_tokens=True)
    processor: Any = Idefics3Processor(images, tokenizer, image_seq_len=4, chat_template=TEMPLATE)
    words = transformers.AutoModelForCausalLM.from_pretrained(ROOT / "models/tiny", dtype=torch.float32)
    torch.manual_seed(0)
    words.resize_token_embeddings(len(tokenizer))
    model = Idefics3ForConditionalGeneration(_config(words.config, processor.image_token_id))
    model.model.text_model.load_state_dict(words.model.state_dict())
    model.lm_head.load_state_dict(words.lm_head.state_dict())
    torch.nn.init.normal_(model.model.connector.modality_projection.proj.weight, std=1.0)
    model.generation_config = words.generation_config
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _config(words: Any, image_token: int) -> Idefics3Config:
    eye = {
        "image_size": SIDE, "patch_size": 8, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }  # fmt: skip
    return Idefics3Config(
        text_config=words.to_dict(), vision_config=eye, image_token_id=image_token, scale_factor=2,
        tie_word_embeddings=True, pad_token_id=words.pad_token_id,
    )  # fmt: skip


def picture(folder: Path, name: str = "red.png", color: str = "red", size: tuple[int, int] = (64, 48)) -> Path:
    """An image file of one colour with a black square in it."""
    path = folder / name
    image = Image.new("RGB", size, color)
    image.paste("black", (size[0] // 4, size[1] // 4, size[0] // 2, size[1] // 2))
    image.save(path)
    return path


def upload(path: Path) -> dict[str, Any]:
    """An uploaded file as Gradio sends it."""
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}}


def builder(loaded: Loaded, limits: Limits | None = None) -> ImagePromptBuilder:
    """What makes the prompts for that model."""
    images = Images(limits or Limits())
    return ImagePromptBuilder(loaded.processor, loaded.context_window, 1024, images, loaded.model.dtype)


def plain(loaded: Loaded, pictures: list[Image.Image], text: str, system: str = "") -> str:
    """What transformers alone writes, without any code of this project."""
    parts = [*({"type": "image", "image": picture} for picture in pictures), {"type": "text", "text": text}]
    messages = [{"role": "user", "content": parts}]
    if system:
        messages.insert(0, {"role": "system", "content": [{"type": "text", "text": system}]})
    inputs = loaded.processor.apply_chat_template(
        messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )
    output = loaded.model.generate(**inputs, max_new_tokens=60)
    return str(loaded.tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))
