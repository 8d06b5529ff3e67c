"""Takes a growing reply apart: its reasoning, its answer and its tool calls; `forms` says how they are marked."""

from __future__ import annotations

import logging
from typing import Literal, Protocol

from streamspace.engines.forms import Form
from streamspace.engines.pieces import Piece
from streamspace.engines.tag_parser import TagParser
from streamspace.engines.template_parser import TemplateParser
from streamspace.events import Kind

log = logging.getLogger(__name__)


class Parser(Protocol):
    """Reads one reply. What it returns is final, but for a `Reclassified`; it is the same however the text is cut."""

    def push(self, text: str) -> list[Piece]:
        """The pieces that are certain with this text: what may become a tag, and space before one, is held back."""

    def flush(self) -> list[Piece]:
        """The rest, when the reply ends."""

    @property
    def kind(self) -> Kind | Literal["hidden"] | None:
        """What the next text is part of; None while that isn't certain."""


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
