"""What goes into an engine and what comes out: small values that also travel, pickled, between two processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from streamspace.sampling import SamplingParams

Reason = Literal["stop", "length", "cancelled", "timeout"]
Phase = Literal["loading", "waiting", "prefill", "decode"]


@dataclass(frozen=True)
class Message:
    """One message of a conversation, for an engine that has the chat template elsewhere."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Tensor:
    """A tensor that the model takes beside its prompt, such as the pixels of images.

    `data` is row by row, in the number format `stored`; the model takes it as `dtype`.
    """

    name: str
    dtype: str
    stored: str
    shape: tuple[int, ...]
    data: bytes


@dataclass(frozen=True)
class Request:
    """One reply to be written.

    `prompt` holds the token ids, or `messages` the conversation, as the engine takes it; the last
    `prefix_length` of them are a reply to go on from.
    `time_limit` is how long the model may write before it ends with the reason "timeout"; None is no limit.
    `tensors` is what the model takes beside the prompt: nothing in a conversation of text.
    """

    prompt: tuple[int, ...]
    sampling: SamplingParams
    prefix_length: int = 0
    time_limit: float | None = None
    messages: tuple[Message, ...] = ()
    tensors: tuple[Tensor, ...] = ()


@dataclass(frozen=True)
class TextDelta:
    """Text to append, and how many tokens the reply has so far. Joined, the pieces are the decoded reply."""

    text: str
    tokens: int


@dataclass(frozen=True)
class Heartbeat:
    """Nothing new, but alive: sent about every 100 ms, so that a reader who has gone is noticed."""

    phase: Phase


@dataclass(frozen=True)
class Finished:
    """The reply is complete. `time_to_first_token` and `duration`, to the last token, are seconds from its start."""

    reason: Reason
    tokens: int
    time_to_first_token: float
    duration: float


@dataclass(frozen=True)
class Failure:
    """The reply failed, as data: an exception that crosses a process boundary loses its message and its worker."""

    message: str


Event = TextDelta | Heartbeat | Finished | Failure
