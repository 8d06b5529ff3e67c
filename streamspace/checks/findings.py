"""A finding of `check`: the problem, where it is, and how to fix it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """An error blocks a deploy; a warning can be intended; a note is information."""

    severity: Severity
    where: str
    problem: str
    hint: str = ""

    def __str__(self) -> str:
        weight = "" if self.severity == "error" else f"{self.severity}: "
        end = "" if self.problem.endswith("?") else "."
        return f"{weight}{self.where}: {self.problem}" + (f"{end} {self.hint}" if self.hint else "")


def errors(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that block a deploy."""
    return [finding for finding in findings if finding.severity == "error"]


def as_json(findings: Iterable[Finding]) -> str:
    """The findings as one JSON document, for scripts."""
    return json.dumps([asdict(finding) for finding in findings], indent=2, ensure_ascii=False)
