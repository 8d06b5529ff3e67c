"""Takes a growing reply apart: its reasoning, its answer and its tool calls; `forms` says how they are marked."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from typing import Any, Literal, Protocol

from streamspace.engines.decode import overlap
from streamspace.engines.forms import MARK, Form
from streamspace.events import Kind, Part, Reclassified

log = logging.getLogger(__name__)
Piece = Part | Reclassified
MENTIONS = (" ", "\t", "`", "'", '"', "(", "[")  # what stands before a tag that a text only talks about
FENCE = re.compile(r"\s*(`{3,}|~{3,})")
FIELDS: dict[str, Kind] = {"content": "answer", "tool_calls": "tool_call"}
FIELDS |= dict.fromkeys(("reasoning_content", "reasoning", "thinking"), "reasoning")


class Parser(Protocol):
    """Reads one reply. What it returns is final, but for a `Reclassified`; it is the same however the text is cut."""

    def push(self, text: str) -> list[Piece]:
        """The pieces that are certain with this text: what may become a tag, and space before one, is held back."""

    def flush(self) -> list[Piece]:
        """The rest, when the reply ends."""


def parser(form: Form, begins: Kind, continues: bool = False, prompt: str = "") -> Parser:
    """A parser for a reply that begins, or `continues`, with this kind of part after the prompt (special tokens too).

    Reads by the tokenizer's own description where that is valid.
    """
    if form.template:
        try:
            return TemplateParser(form.template, prompt, begins, continues)
        except Exception as error:  # a model's file can say anything
            log.warning("The tokenizer's response_template can't be used: %s", type(error).__name__)
            form = Form(special=form.special)
    return TagParser(form, begins, continues)


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
        self._parts = _Parts(begins, continues)
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


class _Parts:
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


class TemplateParser:
    """Reads a reply by its tokenizer's `response_template`, with transformers' own parser.

    A part that it reads as data, such as a tool call, is shown when it is complete. What it can't read is answer.
    """

    def __init__(self, template: Any, prompt: str, begins: Kind, continues: bool) -> None:
        from transformers.utils.chat_parsing import ResponseParser  # here: only few tokenizers have a template

        self._parser: Any = ResponseParser(template, prefix=prompt)
        self._parts = _Parts(begins, continues)

    def push(self, text: str) -> list[Piece]:
        """See `Parser.push`."""
        self._read(lambda: self._parser.feed(text), text)
        return self._parts.pop()

    def flush(self) -> list[Piece]:
        """See `Parser.flush`."""
        self._read(lambda: self._parser.finalize()[1], "")
        self._parts.end()
        return self._parts.pop()

    def _read(self, events: Callable[[], list[dict[str, Any]]], text: str) -> None:
        try:
            for event in events() if self._parser else ():
                self._take(event)
        except Exception as error:  # the model wrote something else than the template promises
            log.warning("A reply isn't as its response_template says: %s", type(error).__name__)
            self._parser = None
        if self._parser is None:
            self._take({"type": "region_chunk", "field": "content", "text": text})

    def _take(self, event: dict[str, Any]) -> None:
        kind: Kind | Literal["hidden"] = FIELDS.get(event["field"], "hidden")
        if event["type"] == "region_open" or kind != self._parts.kind:
            self._parts.begin(kind)
        if kind == "tool_call" and event["type"] == "region_close":
            self._parts.add(json.dumps(event["value"], ensure_ascii=False))
        elif kind != "tool_call" and event["type"] == "region_chunk":
            self._parts.add(event["text"])
