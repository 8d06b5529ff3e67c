"""Runs all checks that need no network, in the order in which to fix their findings."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from streamspace.checks import card as cards
from streamspace.checks import description, device_fit, files, gguf_files, packages, stale
from streamspace.checks.findings import Finding, Severity
from streamspace.checks.memory import oversized
from streamspace.checks.weights import local_weights
from streamspace.config import file as configfile
from streamspace.config import paths
from streamspace.config.types import Config
from streamspace.hub import card, requirements, upload
from streamspace.repository import ROOT


def findings(config: Config, path: Path, hardware: str | None = None, lacking: Severity = "error") -> list[Finding]:
    """Findings for a deploy of this config on `hardware` (default: the card's).

    `lacking` is how much it matters that requirements.txt lacks a package that this config needs and most don't.
    """
    return list(_findings(config, path, hardware or config.card.hardware, lacking))


def _findings(config: Config, path: Path, hardware: str, lacking: Severity) -> Iterator[Finding]:
    where = configfile.typed(path)
    yield from cards.from_config(config, where, hardware)
    yield from stale.findings(config, path, where)
    wanted = requirements.read()
    yield from packages.pins(hardware, wanted)
    yield from packages.conflicts(hardware, wanted)
    if not config.endpoint:
        yield from device_fit.findings(config, hardware, wanted, where, lacking)
    yield from files.left_out(upload.left_out(config, path), config)
    yield from files.findings(upload.files(config, path), config, where)
    if card.loads_from_here(config) and not any(paths.problems(config, uploaded=True)):
        yield from oversized(local_weights(config), hardware, config, where)
        read = partial(_file, ROOT / config.model.id)
        told = (
            gguf_files.here(config, where) if config.model.gguf else description.findings(config, read, wanted, where)
        )
        yield from (finding for finding in told if finding.severity != "note")


def _file(folder: Path, name: str) -> str | None:
    return (folder / name).read_text("utf-8") if (folder / name).is_file() else None


def committed_card(config: Config) -> list[Finding]:
    """Findings for the committed README.md, which is `config`'s."""
    text = card.README.read_text("utf-8") if card.README.is_file() else ""
    return list(cards.from_readme(text, config))
