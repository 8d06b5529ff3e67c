"""Reads the chunks of a server that speaks OpenAI's chat API into a reply, whose reasoning some leave in the text."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from streamspace.engines.reply import Reply
from streamspace.events import LEAST, Kind, Likelihood, Reason, Scored


class Reader:
    """Reads one stream into a reply; `kind` is that of the reply's last text, where the server tells kinds apart."""

    def __init__(self, reply: Reply, kind: Kind | None = None) -> None:
        self._reply = reply
        self._reason: Reason | None = None
        self._kind = kind  # of the last text, where the server tells
        self._calls: dict[int, dict[str, str]] = {}  # as far as they have come, by their place in the reply

    def take(self, chunk: Any) -> bool:
        """Takes one chunk of the stream; False when a stop string has come, and the rest is of no interest."""
        for choice in chunk.choices or []:
            if choice.logprobs and choice.delta.content:
                with suppress(AttributeError, TypeError, ValueError):  # it may tell anything
                    self._reply.note([*map(_scored, choice.logprobs.content)])
            self._add(choice.delta)
            if choice.finish_reason:
                self._reason = "length" if choice.finish_reason == "length" else "stop"
        if chunk.usage:  # the server's count; ours is one for each chunk with text
            self._reply.tokens = _count(chunk.usage.completion_tokens, self._reply.tokens)
            self._reply.prompt_tokens = _count(chunk.usage.prompt_tokens)
            details = getattr(chunk.usage, "prompt_tokens_details", None)  # few servers tell
            self._reply.reused_tokens = _count(details.get("cached_tokens") if isinstance(details, dict) else None)
        return not self._reply.ended

    def end(self) -> None:
        """The stream is over. Raises EOFError when it broke off."""
        if self._reason is None:
            raise EOFError("the connection ended before the reply did")
        if self._calls:
            self._reply.add_text(json.dumps(list(self._calls.values()), ensure_ascii=False), "tool_call")
        self._reply.finish(self._reason)

    def _add(self, delta: Any) -> None:
        reasoning = getattr(delta, "reasoning_content", None) or delta.reasoning
        self._reply.tokens += bool(reasoning or delta.content or delta.tool_calls)
        if reasoning:
            self._part("reasoning", reasoning)
        if delta.content and self._kind:
            self._part("answer", delta.content)
        elif delta.content:
            self._reply.add_text(delta.content)
        for piece in delta.tool_calls or ():
            call = self._calls.setdefault(piece.index, {"name": "", "arguments": ""})
            call["name"] += piece.function.name or ""
            call["arguments"] += piece.function.arguments or ""

    def _part(self, kind: Kind, text: str) -> None:
        """Adds to a part of the reply; space at its beginning is the template's."""
        text = text if kind == self._kind else text.lstrip()
        if text:
            self._kind = kind
            self._reply.add_text(text, kind)


def _scored(told: Any) -> Scored:
    return Scored(_likelihood(told), (*map(_likelihood, told.top_logprobs or ()),))


def _likelihood(told: Any) -> Likelihood:
    own = getattr(told, "bytes", None)  # not all servers tell
    return Likelihood(bytes(own) if own else told.token.encode("utf-8", "replace"), max(told.logprob, LEAST))


def _count(told: Any, otherwise: int = 0) -> int:
    """A number of tokens that a server tells, which may tell anything."""
    return told if isinstance(told, int) and told >= 0 else otherwise
