"""Writes a proposed config as YAML: complete, in the presets' style, with the reason of each choice as its comment."""

from __future__ import annotations

import textwrap
from typing import Any

from pydantic import BaseModel

from streamspace.config.edit import WIDTH, edited
from streamspace.config.generated import SKELETON
from streamspace.config.ranges import Range
from streamspace.config.types import Thinking
from streamspace.new.proposal import Proposal


def text(proposal: Proposal, name: str, command: str) -> str:
    """The text of config/NAME.yaml."""
    head = [f"# make run CONFIG=config/{name}.yaml", "# yaml-language-server: $schema=schema.json", "#"]
    needs = f" It needs in requirements.txt: {', '.join(proposal.packages)}." if proposal.packages else ""
    about = f"{proposal.about}{needs} Written by: {command}"
    head += textwrap.wrap(about, WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
    return "\n".join([*head, edited(SKELETON.read_text("utf-8"), _values(proposal.config), proposal.comments)])


def _values(part: BaseModel, above: str = "") -> dict[str, Any]:
    """The values by dotted key, as far as the skeleton has a line for each."""
    found: dict[str, Any] = {}
    for name in type(part).model_fields:
        value = getattr(part, name)
        whole = isinstance(value, Range | Thinking) or f"{above}{name}" in ("model.adapter", "endpoint")
        if isinstance(value, BaseModel) and not whole:
            found |= _values(value, f"{above}{name}.")
        else:
            whole_number = isinstance(value, float) and value.is_integer()
            found[f"{above}{name}"] = int(value) if whole_number else value
    return found
