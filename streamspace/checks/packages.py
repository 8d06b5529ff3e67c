"""Checks requirements.txt and the Python version against the Hub's build and ZeroGPU.

What the Hub installs is compared by the metadata of the packages that are installed here; `check --build` asks pip,
which reads that of all others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from streamspace.checks.findings import Finding
from streamspace.checks.platform import (
    CHECKED,
    ZEROGPU,
    ZEROGPU_PAGE,
    ZEROGPU_PYTHON,
    ZEROGPU_TORCH,
    hub_requirements,
)
from streamspace.checks.resolution import resolve
from streamspace.hub import card, requirements

WHERE = "requirements.txt"


def pins(hardware: str, wanted: Mapping[str, Requirement], python: str = card.PYTHON) -> Iterator[Finding]:
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


def conflicts(hardware: str, wanted: Mapping[str, Requirement], python: str = card.PYTHON) -> Iterator[Finding]:
    """Findings for the packages that the Hub, or a package that it pins, also requires."""
    sdk_version = requirements.pin("gradio", wanted)
    if sdk_version is None:
        return  # reported by `pins`
    for theirs, origin in _required(hub_requirements(sdk_version, hardware), python):
        ours = wanted.get(canonicalize_name(theirs.name))
        if ours is not None and unmeetable(ours, theirs):
            asked, needed = f"{ours.name}{ours.specifier}", f"{theirs.name}{theirs.specifier}"
            problem = f"{ours.name}: expected a version that meets {needed!r}, which {origin}, got {asked!r}"
            example = needed.replace("==", ">=")  # an equal pin fails when the Hub changes its own
            hint = f"No version meets both, so the Hub's build would fail. Change the line, for example to: {example}"
            yield Finding("error", WHERE, problem, hint)


def resolved(hardware: Iterable[str], python: str = card.PYTHON) -> Iterator[Finding]:
    """Findings of pip for the resolution of the Hub's build. Raises ResolutionUnavailable."""
    sdk_version = requirements.pin("gradio", requirements.read())
    if sdk_version is None:
        return
    for added in dict.fromkeys(tuple(hub_requirements(sdk_version, name)) for name in hardware):
        if said := resolve(requirements.FILE, added, python):
            problem = f"pip can't install it for Python {python} together with what the Hub adds: {' '.join(added)}"
            yield Finding("error", WHERE, problem, "\n  ".join(["The Hub's build would fail the same way:", *said]))


def unmeetable(one: Requirement, other: Requirement) -> bool:
    """Whether no version of a package satisfies both."""
    return (one.specifier & other.specifier).is_unsatisfiable()


def _required(lines: list[str], python: str) -> Iterator[tuple[Requirement, str]]:
    """The Hub's own requirements, and the requirements of those that it pins; each with its origin."""
    for added in map(Requirement, lines):
        yield added, "the Hub installs"
        if "==" in str(added.specifier):  # pip can choose another version of unpinned ones, with other requirements
            yield from _required_by(added, python)


def _required_by(added: Requirement, python: str) -> Iterator[tuple[Requirement, str]]:
    try:
        installed = metadata.distribution(added.name)
    except metadata.PackageNotFoundError:
        return
    if installed.version not in added.specifier:
        return  # another version can have other requirements
    for theirs in map(Requirement, installed.requires or []):
        for extra in ("", *sorted(added.extras)):
            if requirements.applies(theirs, extra, python):
                yield theirs, f"{added.name}{f'[{extra}]' if extra else ''} {installed.version} requires"
                break
