"""The one form in which a reply travels as text, whatever its model writes: what `/chat` streams, and takes back."""

from __future__ import annotations

from collections.abc import Sequence

from streamspace.engines.forms import Form, Tags
from streamspace.engines.pieces import Piece
from streamspace.engines.tag_parser import TagParser
from streamspace.events import Kind, Part, Reclassified

TAGS: dict[Kind, Tags] = {
    "reasoning": Tags("reasoning", "<think>", "</think>"),
    "tool_call": Tags("tool_call", "<tool_call>", "</tool_call>"),
}


def extended(parts: tuple[Part, ...], piece: Piece) -> tuple[Part, ...]:
    """The parts of a reply with one more piece."""
    if isinstance(piece, Reclassified):
        whole = "".join(part.text for part in parts if part.kind != "tool_call")
        return (Part("reasoning", whole), *(part for part in parts if part.kind == "tool_call"))
    if parts and parts[-1].kind == piece.kind:
        return (*parts[:-1], Part(piece.kind, parts[-1].text + piece.text))
    return (*parts, piece)


def render(parts: Sequence[Part]) -> str:
    """The text of a reply; its last part may be unfinished, and is then not closed."""
    return "".join(_rendered(part, is_last=part is parts[-1]) for part in parts)


def read(text: str) -> tuple[Part, ...]:
    """The parts of a text that `render` made, or of one that a client wrote itself."""
    parser = TagParser(Form(tuple(TAGS.values())))
    parts: tuple[Part, ...] = ()
    for piece in (*parser.push(text), *parser.flush()):
        parts = extended(parts, piece)
    return parts


def of_kind(parts: Sequence[Part], kind: Kind) -> str:
    """The text of one kind: of the answer, what may be sent back to the model in a later turn."""
    return "".join(part.text for part in parts if part.kind == kind)


def _rendered(part: Part, is_last: bool) -> str:
    if part.kind == "answer":
        return part.text if is_last else f"{part.text}\n\n"
    opening, closing = TAGS[part.kind][1:]
    return f"{opening}\n{part.text}" if is_last else f"{opening}\n{part.text}\n{closing}\n\n"
