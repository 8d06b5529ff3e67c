"""The two forms of a reply in OpenAI's API, whole and piece by piece: that of a conversation and that of a text."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from streamspace.engines import canonical
from streamspace.events import Finished, Likelihood, Part, Scored
from streamspace.tools import Call

REASONS = {"stop": "stop", "length": "length", "timeout": "length", "cancelled": "length"}


@dataclass(frozen=True)
class Texts:
    """A reply's text: its thoughts, the calls it consists of, and all else, of which `scored` are the tokens."""

    reasoning: str = ""
    content: str = ""
    calls: tuple[Call, ...] = ()
    scored: tuple[Scored, ...] = ()

    @classmethod
    def of(cls, parts: tuple[Part, ...]) -> Texts:
        """The text of these parts."""
        rest = [part for part in parts if part.kind != "reasoning"]
        return cls(canonical.of_kind(parts, "reasoning"), canonical.render(rest))

    def after(self, earlier: Texts) -> Texts:
        """What has come since; what was sent as the answer before it turned out to be a thought isn't sent again."""
        if not self.content.startswith(earlier.content):
            return replace(self, reasoning="")
        return Texts(
            self.reasoning[len(earlier.reasoning) :],
            self.content[len(earlier.content) :],
            self.calls,
            self.scored[len(earlier.scored) :],
        )


@dataclass(frozen=True)
class Form:
    """How a reply is written: the names of its objects, and what a choice in them has of its text."""

    prefix: str
    whole: str
    piece: str
    opening: Mapping[str, Any] | None
    closing: Mapping[str, Any]
    delta: Callable[[Texts], Mapping[str, Any]]
    message: Callable[[Texts], Mapping[str, Any]]


def _delta(texts: Texts) -> Mapping[str, Any]:
    listed = [{"index": index, **each.as_sent()} for index, each in enumerate(texts.calls)]
    named = {"reasoning_content": texts.reasoning, "content": texts.content, "tool_calls": listed}
    return {"delta": {name: value for name, value in named.items() if value}, "logprobs": _scores(texts)}


def _message(texts: Texts) -> Mapping[str, Any]:
    others: dict[str, Any] = {"reasoning_content": texts.reasoning} if texts.reasoning else {}
    others |= {"tool_calls": [each.as_sent() for each in texts.calls]} if texts.calls else {}
    content = texts.content or (None if texts.calls else "")
    message = {"role": "assistant", "content": content, "refusal": None, **others}
    return {"message": message, "logprobs": _scores(texts)}


def _scores(texts: Texts) -> dict[str, Any] | None:
    if not texts.scored:
        return None
    listed = [{**_likely(each.own), "top_logprobs": [*map(_likely, each.likeliest)]} for each in texts.scored]
    return {"content": listed, "refusal": None}


def _likely(told: Likelihood) -> dict[str, Any]:
    return {
        "token": told.token.decode("utf-8", "replace"),
        "logprob": round(told.logarithm, 6),
        "bytes": [*told.token],
    }


def _text(texts: Texts) -> Mapping[str, Any]:
    return {"text": texts.content, "logprobs": _columns(texts)}


def _columns(texts: Texts) -> dict[str, Any] | None:
    """The scores of `_scores` in the older form that texts have."""
    if not texts.scored:
        return None
    told = [[*map(_likely, (each.own, *each.likeliest))] for each in texts.scored]
    return {
        "tokens": [own["token"] for own, *_ in told],
        "token_logprobs": [own["logprob"] for own, *_ in told],
        "top_logprobs": [{each["token"]: each["logprob"] for each in place} for place in told],
    }


CONVERSATION = Form(
    "chatcmpl-",
    "chat.completion",
    "chat.completion.chunk",
    {"delta": {"role": "assistant", "content": ""}},
    {"delta": {}},
    _delta,
    _message,
)
CONTINUATION = Form("cmpl-", "text_completion", "text_completion", None, {"text": ""}, _text, _text)


@dataclass(frozen=True)
class Envelope:
    """What all objects of one reply have in common."""

    form: Form
    model: str
    id: str
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, texts: Texts, end: Finished) -> dict[str, Any]:
        """The reply as one object."""
        return self._object(self.form.whole, [_choice(self.form.message(texts), _reason(texts, end))]) | _usage(end)

    def piece(self, part: Mapping[str, Any]) -> dict[str, Any]:
        """A piece of the reply."""
        return self._object(self.form.piece, [_choice(part)])

    def last(self, texts: Texts, end: Finished) -> dict[str, Any]:
        """The piece that says why a reply of these texts has ended."""
        return self._object(self.form.piece, [_choice(self.form.closing, _reason(texts, end))])

    def figures(self, end: Finished) -> dict[str, Any]:
        """The piece with the figures alone."""
        return self._object(self.form.piece, []) | _usage(end)

    def _object(self, kind: str, choices: list[Any]) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model, "choices": choices}


def _usage(end: Finished) -> dict[str, Any]:
    """The tokens of the prompt, of those in a cache, and of the reply."""
    counted = {
        "prompt_tokens": end.prompt_tokens,
        "prompt_tokens_details": {"cached_tokens": end.reused_tokens},
        "completion_tokens": end.tokens,
        "total_tokens": end.prompt_tokens + end.tokens,
    }
    return {"usage": counted}


def _reason(texts: Texts, end: Finished) -> str:
    return "tool_calls" if texts.calls else REASONS[end.reason]


def _choice(part: Mapping[str, Any], reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "logprobs": None, **part, "finish_reason": reason}
