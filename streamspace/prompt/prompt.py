"""What a conversation has become for an engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from streamspace.events import Kind, Message, Part, Request, Tensor
from streamspace.model.thinking import Thinking
from streamspace.prompt.conversation import Turn
from streamspace.sampling import SamplingParams
from streamspace.tools import Call, Tools


@dataclass(frozen=True)
class Conversation:
    """What the model is to reply to: the `turns` so far, the last one a question.

    With `begun` the reply goes on from there. `thinking` is the client's wish, see `Thinking.choose`; `tools` is what
    the model may call.
    """

    system: str
    turns: Sequence[Turn]
    thinking: object = None
    begun: Sequence[Part] = ()
    tools: Tools | None = None


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


class Prompts(Protocol):
    """Prompts for one model, with what its tokenizer and its chat template know besides."""

    thinking: Thinking
    """The choices that a client has."""

    def text(self, text: str, new_tokens: int) -> Prompt:
        """A raw text to be continued. Raises RequestError when it is longer than what fits beside `new_tokens`."""

    def chat(self, conversation: Conversation, new_tokens: int) -> Prompt:
        """A conversation, whose oldest turns are left out until the rest fits beside `new_tokens`.

        Raises RequestError when the last question alone is too long, for a choice of thinking that the model hasn't, or
        an image that can't be read.
        """

    def schema_problem(self, schema: str) -> str:
        """Why a reply can't follow a JSON schema; "" if it can."""

    def tools_problem(self, tools: Tools) -> str:
        """Why the model can't be offered these functions; "" if it can."""

    def calls(self, reply: Sequence[Part], tools: Tools) -> tuple[Call, ...]:
        """The calls that a whole reply consists of, besides what it says before them."""
