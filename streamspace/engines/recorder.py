"""Records how likely each token of a reply was, for clients that ask: the model's own scores, before any sampling."""

from __future__ import annotations

import functools
import re
from typing import Any

import torch
from transformers import LogitsProcessor

from streamspace.events import LEAST, Likelihood, Scored

BYTE = re.compile(r"<0x([0-9A-F]{2})>")  # a token of a single byte, in vocabularies that aren't of bytes


class Recorder(LogitsProcessor):
    """The scores of one reply: called before each of its tokens, and asked for it when it is chosen."""

    def __init__(self, tokenizer: Any, most: int) -> None:
        self._tokenizer = tokenizer
        self._most = most
        self._logarithms = torch.empty(0)

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """The scores, shape (1, vocabulary), as they are."""
        self._logarithms = scores[0].float().log_softmax(-1)
        return scores

    def take(self, token: int) -> Scored:
        """The token that was chosen by the last scores, and the `most` likeliest there were."""
        values, ids = self._logarithms.topk(min(self._most, len(self._logarithms)))
        own = self._likelihood(token, float(self._logarithms[token]))
        return Scored(own, tuple(map(self._likelihood, ids.tolist(), values.tolist())))

    def _likelihood(self, token: int, logarithm: float) -> Likelihood:
        return Likelihood(_bytes(self._tokenizer, token), max(logarithm, LEAST))


@functools.lru_cache(maxsize=65_536)
def _bytes(tokenizer: Any, token: int) -> bytes:
    """What a token stands for, which may be a part of a character."""
    added = tokenizer.added_tokens_decoder.get(token)
    name: str | None = added.content if added else tokenizer.convert_ids_to_tokens(token)
    if added or not name:  # models have more scores than there are tokens
        return (name or "").encode()
    if "ByteLevel" in str(tokenizer.backend_tokenizer.decoder):
        return bytes(_table()[character] for character in name)
    if found := BYTE.fullmatch(name):
        return bytes([int(found[1], 16)])
    return name.replace("▁", " ").encode()


@functools.cache
def _table() -> dict[str, int]:
    """The bytes by the characters that stand for them in vocabularies of bytes."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    return {character: byte for byte, character in bytes_to_unicode().items()}  # type: ignore[no-untyped-call]
