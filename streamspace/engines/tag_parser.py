"""Reads a reply by the tags of its form, which are in its text; `forms` has the tags."""

from __future__ import annotations

import re
from typing import Literal

from streamspace.engines.decode import overlap
from streamspace.engines.forms import MARK, Form
from streamspace.engines.pieces import Piece, Pieces
from streamspace.events import Kind

MENTIONS = (" ", "\t", "`", "'", '"', "(", "[")  # what stands before a tag that a text only talks about
FENCE = re.compile(r"\s*(`{3,}|~{3,})")


class TagParser:
    """Reads a reply by the tags of a form.

    A tag in plain text counts where a model would write it: an opening begins a line, a closing without an opening is
    the reply's first tag and follows a word or a line's end, and neither counts within a fence of code.
    """

    def __init__(self, form: Form, begins: Kind = "answer", continues: bool = False) -> None:
        tags = form.tags
        self._special = set(form.special.values())  # not shown where they are no part of a tag
        self._openings = {row.opening: row for row in tags if row.opening}
        self._endings = {row.closing for row in tags if row.kind == "reasoning"}
        self._unopened = {row.closing for row in tags if not row.opening}
        self._closings = self._endings if begins == "reasoning" else set()
        self._parts = Pieces(begins, continues)
        self._tagged = False
        self._held = ""
        self._lines = _Lines()
        self._watch()

    def push(self, text: str) -> list[Piece]:
        """See `Parser.push`."""
        self._held += text
        while (found := self._pattern.search(self._held)) and not self._may_grow(self._held[found.start() :]):
            before, tag, self._held = self._held[: found.start()], found[0], self._held[found.end() :]
            self._take(before)
            if self._counts(tag):
                self._switch(tag)
            elif tag not in self._special:
                self._take(tag)
        keep = max((overlap(self._held, tag) for tag in self._watched), default=0)
        taken, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        self._take(taken)
        return self._parts.pop()

    def flush(self) -> list[Piece]:
        """See `Parser.flush`."""
        self._take("" if self._held in self._special else self._held)
        self._parts.end()
        return self._parts.pop()

    @property
    def kind(self) -> Kind | Literal["hidden"] | None:
        """See `Parser.kind`."""
        return None if self._held else self._parts.kind

    def _watch(self) -> None:
        """Looks for all tags that may come in this kind of part; a special token may come in any."""
        plain = self._parts.kind in ("answer", "hidden")
        openings = {tag for tag in self._openings if plain or MARK in tag}
        stray = self._endings if self._parts.kind == "answer" and not self._tagged else set()
        self._tags = openings | self._closings | self._unopened | stray
        self._watched = self._tags | self._special
        longest_first = sorted(self._watched, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")

    def _may_grow(self, text: str) -> bool:
        """Whether the text may become a longer tag than it begins with."""
        return any(len(tag) > len(text) and tag.startswith(text) for tag in self._watched)

    def _counts(self, tag: str) -> bool:
        """Whether the tag is one here, or only text that looks like it."""
        if MARK in tag or tag in self._closings:
            return tag in self._tags
        if self._lines.fence:
            return False
        if tag in self._openings:
            return not self._lines.line.strip()
        return not self._lines.line.endswith(MENTIONS)

    def _switch(self, tag: str) -> None:
        row = self._openings.get(tag)
        if row is None and tag not in self._closings | self._unopened:
            self._parts.reclassify()
        self._parts.begin(row.kind if row else "answer")
        self._closings = {row.closing} - {""} if row else set()
        self._tagged = True
        self._lines = _Lines()
        self._watch()

    def _take(self, text: str) -> None:
        self._lines.push(text)
        self._parts.add(text)


class _Lines:
    """The line that a growing text is in, and the fence of code around it, if any."""

    def __init__(self) -> None:
        self.line = ""
        self.fence = ""

    def push(self, text: str) -> None:
        *complete, self.line = (self.line + text).split("\n")
        for line in complete:
            if not (found := FENCE.match(line)):
                continue
            if not self.fence:
                self.fence = found[1]
            elif found[1].startswith(self.fence) and line.strip() == found[1]:
                self.fence = ""
