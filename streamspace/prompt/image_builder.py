"""Turns a conversation with images into token ids and pixels, with the model's processor; `images` reads the files."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image

from streamspace.engines.tensors import pack
from streamspace.errors import ModelError, RequestError, first_line, redacted_trace
from streamspace.events import Tensor
from streamspace.i18n import t
from streamspace.model.thinking import Choice
from streamspace.prompt.builder import PromptBuilder
from streamspace.prompt.control_tokens import ControlTokens
from streamspace.prompt.conversation import Turn
from streamspace.prompt.images import Images
from streamspace.prompt.prompt import Conversation

log = logging.getLogger(__name__)
IDS = ("input_ids", "attention_mask")  # what the engine has from the prompt itself


class ImagePromptBuilder(PromptBuilder):
    """Encodes prompts for one model that reads images, with its processor and its chat template.

    The pixels are computed here and not beside the model, where on ZeroGPU a visitor would pay for the wait. They are
    in the model's own number format, `dtype`.
    """

    def __init__(
        self,
        processor: Any,
        context_window: int,
        most_tokens: int,
        images: Images,
        dtype: torch.dtype,
        thinking: str | None = None,
    ) -> None:
        super().__init__(processor.tokenizer, context_window, most_tokens, thinking)
        self._processor = processor
        self._images = images
        self._dtype = dtype
        named = [getattr(processor, f"{kind}_token", None) for kind in ("image", "video", "audio")]
        self._control = ControlTokens(self._tokenizer, [token for token in named if isinstance(token, str)])

    def check_processor(self, model: str) -> None:
        """Encodes a small image. Raises ModelError when template and processor don't work together."""
        picture = Image.new("RGB", (64, 48), "white")
        try:
            found = self._encode(Conversation("", [Turn("user", "Hi", (picture,))]), 0, Choice())
        except Exception as error:  # a template and a processor raise what they like
            raise ModelError(
                f"model.id: expected a model that reads images, got an error from the processor of {model!r}. "
                "Choose another vision-language model, or name a .jinja file that works in model.chat_template",
                detail=first_line(error),
            ) from error
        if not any(each.name.startswith("pixel") for each in found.tensors):
            raise ModelError(
                f"model.id: expected a model that reads images for task: image-chat, and {model!r} makes no pixels of "
                "one. Set task: chat, or choose a vision-language model"
            )

    def _message(self, role: str, text: str, images: int = 0) -> dict[str, Any]:
        parts: list[dict[str, str]] = [{"type": "image"}] * images
        return {"role": role, "content": [*parts, {"type": "text", "text": self._safe(text)}]}

    def _seen(self, turns: Sequence[Turn]) -> tuple[Sequence[Turn], int]:
        return self._images.read(turns)

    def _safe(self, text: str) -> str:
        return self._control.break_up(text)

    def _inputs(self, rendered: str, turns: Sequence[Turn]) -> tuple[list[int], tuple[Tensor, ...]]:
        pictures = [picture for turn in turns for picture in turn.images]
        bos = self._tokenizer.bos_token
        try:
            found = self._processor(
                text=rendered,
                images=[pictures] if pictures else None,
                add_special_tokens=not (bos and rendered.startswith(bos)),  # as the processor's own chat method does
                return_tensors="pt",
            )
        except ValueError as error:
            log.warning("A processor refused images: %s", redacted_trace(error))
            raise RequestError(t("error.image_refused" if pictures else "error.image_needed")) from error
        ids: list[int] = found["input_ids"][0].tolist()
        tensors = {name: tensor for name, tensor in found.items() if name not in IDS}
        return ids, tuple(pack(name, self._in_dtype(tensor)) for name, tensor in tensors.items())

    def _in_dtype(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to(self._dtype) if tensor.is_floating_point() else tensor
