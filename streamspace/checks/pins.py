"""Checks requirements.txt and the Python version against the Hub's build and ZeroGPU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from packaging.requirements import Requirement

from streamspace.checks.findings import Finding
from streamspace.checks.platform import CHECKED, ZEROGPU, ZEROGPU_PAGE, ZEROGPU_PYTHON, ZEROGPU_TORCH
from streamspace.hub import card, requirements

WHERE = "requirements.txt"


def findings(hardware: str, wanted: Mapping[str, Requirement], python: str = card.PYTHON) -> Iterator[Finding]:
    """Findings for the packages of a Space on this hardware, as returned by `requirements.read`."""
    asked = {name: str(line.specifier) for name, line in wanted.items()}
    if requirements.pin("gradio", wanted) is None:
        problem = f"gradio: expected one version (gradio==...), got {asked.get('gradio') or 'none'!r}"
        yield Finding("error", WHERE, problem, "The card's sdk_version is made from it, and the two have to be equal")
    if "==" in asked.get("spaces", ""):
        problem = f"spaces: expected a lower bound only (spaces>=...), got {asked['spaces']!r}"
        yield Finding("error", WHERE, problem, "ZeroGPU brings its own, and the build fails where the two differ")
    if "spaces" not in wanted:
        yield Finding("error", WHERE, "spaces: expected the package whose decorator app.py takes, got none")
    if hardware != ZEROGPU:
        return
    torch = requirements.pin("torch", wanted)
    if torch not in ZEROGPU_TORCH:
        accepted = ", ".join(ZEROGPU_TORCH)
        problem = f"torch: expected a version that ZeroGPU runs ({accepted}), got {asked.get('torch') or 'none'!r}"
        yield Finding("error", WHERE, problem, f"As of {CHECKED}; see {ZEROGPU_PAGE}")
    if python not in ZEROGPU_PYTHON:
        problem = f"PYTHON: expected a version that ZeroGPU runs ({', '.join(ZEROGPU_PYTHON)}), got {python!r}"
        yield Finding("error", "streamspace/hub/card.py", problem, f"As of {CHECKED}; see {ZEROGPU_PAGE}")
