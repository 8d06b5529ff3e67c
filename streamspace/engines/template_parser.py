"""Reads a reply by its tokenizer's own description of it, with transformers' parser."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any, Literal

from streamspace.engines.forms import FIELDS
from streamspace.engines.pieces import Piece, Pieces
from streamspace.events import Kind

log = logging.getLogger(__name__)


class TemplateParser:
    """Reads a reply by a `response_template`.

    A part that it reads as data, such as a tool call, is shown when it is complete. What it can't read is answer.
    """

    def __init__(self, template: Any, prompt: str, begins: Kind, continues: bool) -> None:
        from transformers.utils.chat_parsing import ResponseParser  # here: only few tokenizers have a template

        self._parser: Any = ResponseParser(template, prefix=prompt)
        self._parts = Pieces(begins, continues)

    def push(self, text: str) -> list[Piece]:
        """See `Parser.push`."""
        self._read(lambda: self._parser.feed(text), text)
        return self._parts.pop()

    def flush(self) -> list[Piece]:
        """See `Parser.flush`."""
        self._read(lambda: self._parser.finalize()[1], "")
        self._parts.end()
        return self._parts.pop()

    @property
    def kind(self) -> Kind | Literal["hidden"] | None:
        """See `Parser.kind`."""
        return self._parts.kind

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
