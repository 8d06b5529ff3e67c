"""What goes into an engine and what comes out: small values that also travel, pickled, between two processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Reason = Literal["finished", "length", "stopped", "time"]
Phase = Literal["loading", "waiting", "reading", "writing"]


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen. `temperature` 0 is greedy; `top_k` 0 and `top_p` 1 leave all tokens in."""

    max_new_tokens: int
    temperature: float
    top_p: float
    top_k: int
    repetition_penalty: float
    seed: int
    stop: tuple[str, ...] = ()


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

    `prompt` holds the token ids, or `messages` the conversation, as the engine takes it; the last `continued` of them
    are a reply that was begun earlier and is to go on.
    `seconds` is how long the model may write before it ends with the reason "time"; None is no limit.
    `tensors` is what the model takes beside the prompt: nothing in a conversation of text.
    """

    prompt: tuple[int, ...]
    sampling: Sampling
    continued: int = 0
    seconds: float | None = None
    messages: tuple[Message, ...] = ()
    tensors: tuple[Tensor, ...] = ()


@dataclass(frozen=True)
class Piece:
    """Text to append, and how many tokens the reply has so far. Joined, the pieces are the decoded reply."""

    text: str
    tokens: int


@dataclass(frozen=True)
class Beat:
    """Nothing new, but alive: sent about every 100 ms, so that a reader who has gone is noticed."""

    phase: Phase


@dataclass(frozen=True)
class End:
    """The reply is complete. `first` and `seconds` are the time to the first token and to the last, from the start."""

    reason: Reason
    tokens: int
    first: float
    seconds: float


@dataclass(frozen=True)
class Failure:
    """The reply failed, as data: an exception that crosses a process boundary loses its message and its worker."""

    message: str


Event = Piece | Beat | End | Failure
