"""Decodes tokens to text as they come: whole characters only, in time that doesn't grow with the reply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

INCOMPLETE = "\ufffd"  # what a tokenizer shows for bytes that aren't a whole character


class Decoder:
    """Decodes one reply. What `push` and `flush` return, joined, is `tokenizer.decode` of all its tokens.

    A token alone can't be decoded (leading spaces, characters of several tokens), so a short window of tokens is: the
    text of the window, less the text that its beginning had before, is new. The window moves on at whole characters.
    `before` are tokens that precede the reply's, when it goes on from an earlier one. Special tokens are left out, but
    for those of `special`, which has the text that they are shown as.

    One case differs: tokenizers with byte fallback judge a run of byte tokens as a whole, so a run that turns out to be
    broken would take back characters which have been shown.
    """

    def __init__(self, tokenizer: Any, before: Sequence[int] = (), special: Mapping[int, str] | None = None) -> None:
        self._tokenizer = tokenizer
        self._special = special or {}
        self._window = list(before[-8:])
        self._known = len(self._window)  # tokens of the window whose text is out
        self._out = self._decode(self._window)  # their text

    def push(self, token: int) -> str:
        """The new text that `token` completes; empty while a character is incomplete."""
        if token in self._special:
            text = self.flush() + self._special[token]
            self._window, self._known, self._out = [], 0, ""
            return text
        self._window.append(token)
        text = self._decode(self._window)
        if text.endswith(INCOMPLETE):
            return ""
        return self._advance(text)

    def flush(self) -> str:
        """The rest, when no more tokens come: bytes that never became a character, as the tokenizer shows them."""
        return self._advance(self._decode(self._window))

    def _advance(self, text: str) -> str:
        new = text[len(self._out) :]
        if new:  # a window of invisible tokens only would lose the next one's leading space
            self._window = self._window[self._known :]
            self._known = len(self._window)
            self._out = self._decode(self._window)
        return new

    def _decode(self, tokens: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text


class StopStrings:
    """Ends a text at the first of some stop strings; text that may be the beginning of one is held back."""

    def __init__(self, strings: Sequence[str]) -> None:
        self._strings = strings
        self._held = ""

    def push(self, text: str) -> tuple[str, bool]:
        """The text that may be shown, and whether a stop string has come."""
        self._held += text
        found = [at for string in self._strings if (at := self._held.find(string)) >= 0]
        if found:
            return self._held[: min(found)], True
        keep = max((overlap(self._held, string) for string in self._strings), default=0)
        shown, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        return shown, False

    def flush(self) -> str:
        """What was held back, when the text ends without a stop string."""
        held, self._held = self._held, ""
        return held


def overlap(text: str, string: str) -> int:
    """The length of the longest beginning of `string` that `text` ends with."""
    return next((n for n in range(min(len(string) - 1, len(text)), 0, -1) if text.endswith(string[:n])), 0)
