"""The state of a Space: its files and settings, its commits, and its runtime."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Remote:
    """A Space's files and settings. `files` maps paths to git object ids or SHA-256; `config` is the last deployed one.

    `hardware`, `variables`, `secrets` and `replicas` are None if the token may not read them. `sleep` is in seconds.
    """

    sha: str
    visibility: str
    hardware: str | None
    files: Mapping[str, str]
    variables: Mapping[str, str] | None
    secrets: frozenset[str] | None
    config: str | None = None
    sleep: int | None = None
    replicas: int | None = None


@dataclass(frozen=True)
class Commit:
    """A commit of the Space, newest first in lists; `message` is the text below its title."""

    sha: str
    title: str
    message: str
    when: str

    @property
    def config(self) -> str | None:
        """The SPACE_CONFIG of the deploy, from the commit's message."""
        match = re.search(r"^SPACE_CONFIG=(\S+)$", self.message, re.MULTILINE)
        return match[1] if match else None


@dataclass(frozen=True)
class Runtime:
    """The Space's stage, in the Hub's terms, and its commit, if the Hub reports it."""

    stage: str
    sha: str | None
    hardware: str | None
    message: str
