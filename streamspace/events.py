"""What goes into an engine and what comes out: small values that also travel, pickled, between two processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from streamspace.sampling import SamplingParams
from streamspace.tools import Call, Tools

Reason = Literal["stop", "length", "cancelled", "timeout"]
Phase = Literal["loading", "waiting", "prefill", "decode"]
LEAST = -9999.0  # a logarithm of a probability of nothing: JSON has no infinity
Kind = Literal["reasoning", "answer", "tool_call"]


@dataclass(frozen=True)
class Part:
    """A stretch of a reply that is all of one kind. Joined with the rest of its kind, `text` is what a reader sees."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class Message:
    """One message of a conversation, for an engine that has the chat template elsewhere.

    `calls` are those that the model asked for, or the one whose result a message of the role "tool" is.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    reasoning_content: str = ""
    calls: tuple[Call, ...] = ()


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

    `prompt` holds the token ids, or `messages` the conversation, as the engine takes it. With `continues` the reply has
    begun in them and goes on from there. `begins` is the kind of part that it begins or goes on with; with None it is
    raw text, and isn't taken apart. `thinking` is what a server with the chat template is told of it, if anything.
    `tools` is what it may call, which a server shows to the model itself.
    `time_limit` is how long the model may write before it ends with the reason "timeout"; None is no limit.
    `tensors` is what the model takes beside the prompt: nothing in a conversation of text.
    Replies to one `visitor` may share what the model has read, which shows in their speed; one without shares nothing.
    `cache_key` is what a server is told of who shares, if anything.
    """

    prompt: tuple[int, ...]
    sampling: SamplingParams
    continues: bool = False
    begins: Kind | None = None
    time_limit: float | None = None
    messages: tuple[Message, ...] = ()
    thinking: str = ""
    tensors: tuple[Tensor, ...] = ()
    visitor: str = ""
    cache_key: str = ""
    tools: Tools | None = None


class Likelihood(NamedTuple):
    """A token as bytes, which may be a part of a character, and the logarithm of its probability."""

    token: bytes
    logarithm: float


class Scored(NamedTuple):
    """A token of an answer, and the likeliest ones in its place."""

    own: Likelihood
    likeliest: tuple[Likelihood, ...] = ()


@dataclass(frozen=True)
class TextDelta:
    """Text to append to the parts of its kind, and how many tokens the reply has so far.

    `scored` are the answer's tokens since the last one, for a request that asks for them.
    """

    text: str
    tokens: int
    kind: Kind = "answer"
    scored: tuple[Scored, ...] = ()


@dataclass(frozen=True)
class Reclassified:
    """The answer so far was reasoning: its end has come, and its beginning was never marked."""


@dataclass(frozen=True)
class Heartbeat:
    """Nothing new, but alive: sent about every 100 ms, so that a reader who has gone is noticed.

    `gpu_seconds` is what the reply asks ZeroGPU for, where it is about to.
    """

    phase: Phase
    gpu_seconds: int = 0


@dataclass(frozen=True)
class Finished:
    """The reply is complete. `time_to_first_token` and `duration`, to the last token, are seconds from its start.

    `tokens` counts the reply's, and `prompt_tokens` the prompt's, by whoever has the tokenizer; `reused_tokens` of the
    prompt were in a cache, and weren't read again.
    """

    reason: Reason
    tokens: int
    time_to_first_token: float
    duration: float
    prompt_tokens: int = 0
    reused_tokens: int = 0


@dataclass(frozen=True)
class Failure:
    """The reply failed, as data: an exception that crosses a process boundary loses its message and its worker."""

    message: str


Event = TextDelta | Reclassified | Heartbeat | Finished | Failure
