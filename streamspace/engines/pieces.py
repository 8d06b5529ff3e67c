"""The pieces of a reply that is being read, without the space around its tags; the parsers say what is what."""

from __future__ import annotations

from typing import Literal

from streamspace.events import Kind, Part, Reclassified

Piece = Part | Reclassified


class Pieces:
    """The pieces of a reply, without the space around its tags: what ends a part is held back until more text comes."""

    def __init__(self, kind: Kind, continues: bool) -> None:
        self.kind: Kind | Literal["hidden"] = kind
        self._pieces: list[Piece] = []
        self._space = self._gap = ""
        self._trims = not continues and kind == "reasoning"
        self._last: Kind | None = kind if continues else None

    def begin(self, kind: Kind | Literal["hidden"]) -> None:
        """A new part; one of the same kind as the last is set apart from it."""
        self.kind, self._space, self._trims = kind, "", True
        self._gap = "\n\n" if kind == self._last else ""

    def add(self, text: str) -> None:
        """More text of this part."""
        if self._trims:
            text = text.lstrip()
            self._trims = not text
        text = self._space + text
        shown = text.rstrip()
        self._space = text[len(shown) :]
        self._emit(shown)

    def end(self) -> None:
        """The reply ends, perhaps to go on later: space at its end is text."""
        self._emit(self._space)
        self._space = ""

    def reclassify(self) -> None:
        """What came as answer is reasoning."""
        self._pieces.append(Reclassified())
        self._last = "reasoning"

    def pop(self) -> list[Piece]:
        """The pieces since the last time."""
        pieces, self._pieces = self._pieces, []
        return pieces

    def _emit(self, text: str) -> None:
        if text and self.kind != "hidden":
            self._pieces.append(Part(self.kind, self._gap + text))
            self._gap, self._last = "", self.kind
