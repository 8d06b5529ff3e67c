"""Finds texts of a config that are about another model: copied from a preset, or with a link to one."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from streamspace.checks.findings import Finding
from streamspace.config import file as configfile
from streamspace.config.types import Config
from streamspace.errors import ConfigError
from streamspace.hub import card

LINK = re.compile(r"https://huggingface\.co/(?!spaces/|datasets/|docs/|blog/)([\w.-]+/[\w.-]*\w)")


def findings(config: Config, path: Path, where: str) -> Iterator[Finding]:
    """Findings for the card's and the page's descriptions."""
    own = card.models(config)
    for name in dict.fromkeys(LINK.findall(config.page.description)):
        if own and name not in own:
            problem = f"page.description: expected a text about {config.model.id!r}, got one that links to {name!r}"
            yield Finding("warning", where, problem, "Describe the model that the Space runs")
    texts = {"card.short_description": config.card.short_description, "page.description": config.page.description}
    for other in configfile.FOLDER.glob("*.yaml"):
        theirs = None if other.resolve() == path.resolve() else _read(other, other.stat().st_mtime_ns)
        if theirs is None or theirs.model.id == config.model.id:
            continue
        copied = {"card.short_description": theirs.card.short_description, "page.description": theirs.page.description}
        for key in (key for key, text in texts.items() if text and text == copied[key]):
            problem = f"{key}: expected a text about {config.model.id!r}, got that of {theirs.model.id!r}"
            yield Finding("warning", where, problem, f"It is config/{other.name}'s: write one of your own")


@cache
def _read(path: Path, changed: int) -> Config | None:
    """A config as of a time; None for one with mistakes, which are told of it itself."""
    with contextlib.suppress(ConfigError):
        return configfile.read(path)
    return None
