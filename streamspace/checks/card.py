"""Checks the card: lengths, colours, versions, hardware, and that README.md agrees with the config."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Any

from streamspace.checks.findings import Finding
from streamspace.checks.platform import COLORS, FREE, HARDWARE, SHORT_DESCRIPTION
from streamspace.config.types import Config
from streamspace.hub import card

REFERENCE = "https://huggingface.co/docs/hub/spaces-config-reference"
REQUIRED = ["title", "emoji", "colorFrom", "colorTo", "sdk", "sdk_version", "app_file"]


def from_config(config: Config, where: str, hardware: str) -> Iterator[Finding]:
    """Checks of the config's `card` that the types don't cover; a deploy may ask for other hardware than the card's."""
    if hardware not in HARDWARE:
        near = difflib.get_close_matches(hardware, HARDWARE, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        key = "card.hardware" if hardware == config.card.hardware else "--hardware"
        problem = f"{key}: expected hardware that the Hub rents, got {hardware!r}{hint}"
        yield Finding("error", where, problem, f"One of: {', '.join(HARDWARE)}")
    if config.card.sleep_minutes and hardware in FREE:
        problem = f"card.sleep_minutes: expected null on {hardware}, which sleeps by the Hub's own rule"
        yield Finding("warning", where, f"{problem}, got {config.card.sleep_minutes}")
    if config.card.replicas and hardware in FREE:
        problem = f"card.replicas: expected null on {hardware}, of which a Space has one, got {config.card.replicas}"
        yield Finding("error", where, problem, "Copies are for paid hardware")
    for key, (name, holds) in config.needed().items():
        problem = f"{key}: the Space needs a secret {name!r} with {holds}"
        yield Finding("note", where, problem, f"Deploy with --secret {name}")
    if re.search(r"[0-9A-Za-z]", config.card.emoji):
        yield Finding("error", where, f"card.emoji: expected one emoji, got {config.card.emoji!r}")


def from_readme(text: str, config: Config) -> Iterator[Finding]:
    """Reports what the Hub would refuse in a README, and where it disagrees with the config."""
    found = card.read(text)
    if found is None:
        yield Finding("error", "README.md", "expected front matter between two lines ---, found none", "Run: make card")
        return
    yield from _refused(found)
    wanted = {name: _plain(value) for name, value in card.fields(config).items()}
    differing = sorted(name for name in {*wanted, *found} if wanted.get(name) != found.get(name))
    if differing:
        problem = f"expected the card that the config makes, got another {', '.join(differing)}"
        yield Finding("error", "README.md", problem, "Run: make card")


def _refused(found: dict[str, Any]) -> Iterator[Finding]:
    def problem(key: str, expected: str) -> Finding:
        return Finding("error", "README.md", f"{key}: expected {expected}, got {found.get(key)!r}", f"See {REFERENCE}")

    for key in REQUIRED:
        if key not in found:
            yield problem(key, "a value")
    for key in ("colorFrom", "colorTo"):
        if key in found and found[key] not in COLORS:
            yield problem(key, f"one of {', '.join(COLORS)}")
    for key in ("sdk_version", "python_version"):
        if key in found and not isinstance(found[key], str):
            yield problem(key, "a version in quotes, because YAML reads 3.10 as 3.1")
    if len(str(found.get("short_description", ""))) > SHORT_DESCRIPTION:
        yield problem("short_description", f"at most {SHORT_DESCRIPTION} characters")
    if "hardware" in found:
        yield problem("hardware", "no such key, since the Hub ignores it in favour of suggested_hardware")


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, str) else value
