"""What is known of a Space: how it looked before a deploy, its commits, and what runs. Plain values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Remote:
    """The Space as it is. `files` maps paths to git or sha256 names; `config` is what it was last deployed with.

    `hardware`, `variables` and `secrets` are None where the token may not look.
    """

    sha: str
    private: bool
    hardware: str | None
    files: Mapping[str, str]
    variables: Mapping[str, str] | None
    secrets: frozenset[str] | None
    config: str | None = None


@dataclass(frozen=True)
class Commit:
    """A commit of the Space, newest first in lists; `message` is what stands under its title."""

    sha: str
    title: str
    message: str
    when: str

    @property
    def config(self) -> str | None:
        """The SPACE_CONFIG that it was deployed with, as its message says."""
        match = re.search(r"^SPACE_CONFIG=(\S+)$", self.message, re.MULTILINE)
        return match[1] if match else None


@dataclass(frozen=True)
class Runtime:
    """What runs, or doesn't: the stage in the Hub's words, and the commit it belongs to, where the Hub says it."""

    stage: str
    sha: str | None
    hardware: str | None
    message: str
