"""What a conversation has become for an engine."""

from __future__ import annotations

from dataclasses import dataclass

from streamspace.events import Kind, Message, Request, Tensor
from streamspace.sampling import SamplingParams
from streamspace.tools import Tools


@dataclass(frozen=True)
class Prompt:
    """Token ids ready for the model, or the messages for one that has its tokenizer elsewhere.

    `dropped_messages` counts the oldest messages that were left out to fit. `begins`, `continues`, `thinking` and
    `tools` are the request's. `tensors` are the images' pixels; `dropped_images` counts the images that were left out.
    """

    ids: tuple[int, ...]
    dropped_messages: int = 0
    begins: Kind | None = None
    continues: bool = False
    messages: tuple[Message, ...] = ()
    thinking: str = ""
    tensors: tuple[Tensor, ...] = ()
    dropped_images: int = 0
    tools: Tools | None = None

    def request(self, sampling: SamplingParams) -> Request:
        """What the engine is asked."""
        return Request(
            prompt=self.ids,
            sampling=sampling,
            continues=self.continues,
            begins=self.begins,
            messages=self.messages,
            thinking=self.thinking,
            tensors=self.tensors,
            tools=self.tools,
        )
