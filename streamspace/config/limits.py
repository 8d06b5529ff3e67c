"""The keys under `limits`: what visitors may ask of the Space, and what it keeps for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, WrapValidator

from streamspace.config.base import Part, broken


def _places(value: Any, read: Callable[[Any], Any]) -> Any:
    try:
        return read(value)
    except ValidationError:  # which names each kind of value by itself
        raise broken("", "auto, or a whole number from 1 to 256", value) from None


class Limits(Part):
    """What one visitor, and all of them together, may ask of the Space."""

    @property
    def places(self) -> int:
        """Concurrent replies; 1, which any machine has, until `auto` is replaced by a number."""
        return 1 if self.concurrency == "auto" else self.concurrency

    prompt_characters: int = Field(8000, ge=1, le=1_000_000, description="Maximum message length, in characters.")
    prompt_tokens: int = Field(
        4096,
        ge=16,
        le=1_000_000,
        description="Maximum prompt length, in tokens; the oldest messages are dropped to fit.",
    )
    turns: int = Field(50, ge=1, le=1000, description="Maximum number of earlier messages in the prompt.")
    queue: int = Field(32, ge=1, le=10_000, description="Maximum number of waiting visitors; more get an error.")
    concurrency: Annotated[Annotated[int, Field(ge=1, le=256)] | Literal["auto"], WrapValidator(_places)] = Field(
        "auto",
        description="Concurrent replies, if the engine supports it; `generate` supports 1 outside ZeroGPU. `auto`: as "
        "suits the device, its memory and its cores.",
    )
    cache_megabytes: int = Field(
        1000,
        ge=0,
        le=1_000_000,
        description="`generate`, also on ZeroGPU, and `llamacpp`: memory for what has been read of the last "
        "conversations, so that their next turns begin sooner; it gives way when a GPU's memory runs out. 0: none.",
    )
    lookahead: int = Field(
        16,
        ge=0,
        le=64,
        description="`generate`, also on ZeroGPU: tokens that are tried at once where the text repeats what was before "
        "it, such as code that is edited; the text stays the same. 0: none.",
    )
    at_once: int | None = Field(
        None, ge=1, le=10_000, description="Replies of one visitor that wait or are being written; `null`: no limit."
    )
    per_minute: int | None = Field(
        None, ge=1, le=10_000, description="Replies of one visitor in any minute; `null`: no limit."
    )
    tokens_per_day: int | None = Field(
        None,
        ge=1,
        le=1_000_000_000,
        description="Tokens that are written for one visitor in any 24 hours; a reply that has begun is completed. "
        "`null`: no limit.",
    )
    files: int = Field(4, ge=0, le=32, description="Maximum number of text files with a message; 0: none.")
    file_characters: int = Field(
        20_000, ge=1, le=1_000_000, description="Maximum length of a message's files together, in characters."
    )
    grace: int = Field(
        25, ge=0, le=600, description="Seconds for the replies that are being written when the Space ends or restarts."
    )
    images: int = Field(
        4, ge=1, le=32, description="`image-chat`: maximum number of images in a conversation; the oldest are dropped."
    )
    image_pixels: int = Field(
        1_048_576,
        ge=65_536,
        le=16_777_216,
        description="`image-chat`: maximum width times height of an image; larger ones are scaled down.",
    )
    proxies: int | None = Field(
        None,
        ge=0,
        le=10,
        description="Proxies before the app, each of which adds an address to X-Forwarded-For; visitors are told "
        "apart by the address that the first of them saw. `null`: 1 on a Space, else 0.",
    )
