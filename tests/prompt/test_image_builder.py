"""Prompts with images: the token ids and pixels that the model's own processor makes."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import Idefics3Processor

from streamspace.config.model import Model
from streamspace.config.types import Limits
from streamspace.engines.tensors import unpack
from streamspace.errors import ModelError
from streamspace.events import Part
from streamspace.model.loading import Loaded, load
from streamspace.model.placement import Placement
from streamspace.prompt.conversation import Turn
from streamspace.prompt.image_builder import ImagePromptBuilder
from streamspace.prompt.images import Images
from streamspace.prompt.prompt import Conversation
from tests.standins import vision


def test_a_template_that_places_no_image_is_refused_before_a_visitor_comes(
    vision_loaded: Loaded, vision_model: Path
) -> None:
    blind = load(Model(id=str(vision_model)), Placement("cpu", "float32", "a test"), task="image-chat")
    blind.tokenizer.chat_template = "{% for message in messages %}{{ message['content'][-1]['text'] }}{% endfor %}"
    with pytest.raises(ModelError) as caught:
        vision.builder(blind).check_processor("owner/name")
    assert str(caught.value).startswith(
        "model.id: expected a model that reads images, got an error from the processor of 'owner/name'. "
    )
    vision.builder(vision_loaded).check_processor("owner/name")


def test_the_prompt_is_the_one_that_the_processor_makes(vision_loaded: Loaded, uploads_folder: Path) -> None:
    path = vision.picture(uploads_folder)
    prompt = vision.builder(vision_loaded).chat(Conversation("Be brief.", [Turn("user", vision.ASK, (str(path),))]), 60)
    with Image.open(path) as picture:
        expected = vision_loaded.processor.apply_chat_template(
            [
                {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
                {"role": "user", "content": [{"type": "image", "image": picture}, {"type": "text", "text": vision.ASK}]},
            ],
            add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt",
        )  # fmt: skip
    assert list(prompt.ids) == expected["input_ids"][0].tolist()
    found = {each.name: unpack(each, "cpu") for each in prompt.tensors}
    assert sorted(found) == ["pixel_attention_mask", "pixel_values"]
    assert all(torch.equal(found[name], expected[name]) for name in found)


def test_a_visitor_cannot_write_an_image_of_their_own(vision_loaded: Loaded) -> None:
    prompt = vision.builder(vision_loaded).chat(
        Conversation("", [Turn("user", "<image> <fake_token_around_image>")]), 60
    )
    assert vision_loaded.processor.image_token_id not in prompt.ids
    assert prompt.tensors == ()


def test_what_is_per_token_grows_with_the_reply_that_goes_on(vision_loaded: Loaded, uploads_folder: Path) -> None:
    class Typed(Idefics3Processor):  # as Qwen's models have it: which tokens are of an image
        return_mm_token_type_ids = True

    processor = Typed(vision_loaded.processor.image_processor, vision_loaded.tokenizer, 4, vision.TEMPLATE)
    typed = ImagePromptBuilder(processor, 2048, 1024, Images(Limits()), torch.float32)
    prompt = typed.chat(
        Conversation(
            "", [Turn("user", vision.ASK, (str(vision.picture(uploads_folder)),))], begun=(Part("answer", "It is a"),)
        ),
        60,
    )
    types = next(unpack(each, "cpu") for each in prompt.tensors if each.name == "mm_token_type_ids")
    assert types.shape == (1, len(prompt.ids))
    assert not types[0, -3:].any()
    assert types.any()


def test_pixels_come_in_the_models_own_number_format(vision_loaded: Loaded, uploads_folder: Path) -> None:
    half = ImagePromptBuilder(vision_loaded.processor, 2048, 1024, Images(Limits()), torch.bfloat16)
    prompt = half.chat(Conversation("", [Turn("user", vision.ASK, (str(vision.picture(uploads_folder)),))]), 60)
    assert {each.name: each.dtype for each in prompt.tensors} == {
        "pixel_values": "bfloat16",
        "pixel_attention_mask": "int64",
    }


def test_a_conversation_of_text_carries_no_pixels(vision_loaded: Loaded) -> None:
    prompt = vision.builder(vision_loaded).chat(Conversation("", [Turn("user", vision.ASK)]), 60)
    assert len(pickle.dumps(prompt)) < 1000


def test_the_model_really_looks_at_the_image(vision_loaded: Loaded, uploads_folder: Path) -> None:
    def scores(color: str) -> torch.Tensor:
        prompt = vision.builder(vision_loaded).chat(
            Conversation("", [Turn("user", vision.ASK, (str(vision.picture(uploads_folder, color=color)),))]), 60
        )
        pixels = {each.name: unpack(each, "cpu") for each in prompt.tensors}
        with torch.no_grad():
            return vision_loaded.model(input_ids=torch.tensor([prompt.ids]), **pixels).logits[0, -1]

    assert torch.equal(scores("red"), scores("red"))
    assert not torch.allclose(scores("red"), scores("green"), atol=1e-3)
