"""Checks that requirements.txt is compatible with the packages that the Hub installs with it.

It reads the metadata of the packages that are installed here; `check --build` asks pip, which reads all others'.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from streamspace.checks.findings import Finding
from streamspace.checks.pins import WHERE
from streamspace.checks.platform import hub_requirements
from streamspace.checks.resolution import resolve
from streamspace.hub import card, requirements


def findings(hardware: str, wanted: Mapping[str, Requirement], python: str = card.PYTHON) -> Iterator[Finding]:
    """Findings for the packages that the Hub, or a package that it pins, also requires."""
    sdk_version = requirements.pin("gradio", wanted)
    if sdk_version is None:
        return  # reported by pins.py
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
