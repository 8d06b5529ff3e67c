"""Reads requirements.txt, the only place where the Space's versions are defined."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from streamspace.repository import ROOT

FILE = ROOT / "requirements.txt"
SPACE = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": "x86_64"}


def read(path: Path = FILE) -> dict[str, Requirement]:
    """The requirements that apply on a Space, by canonical package name, for example `huggingface-hub`."""
    return parse(path.read_text("utf-8").splitlines())


def parse(lines: Iterable[str]) -> dict[str, Requirement]:
    """The packages in the lines of a requirements file, without options, paths and URLs."""
    found: dict[str, Requirement] = {}
    for line in lines:
        try:
            wanted = Requirement(line.split("#")[0])
        except InvalidRequirement:
            continue
        if applies(wanted):
            found[canonicalize_name(wanted.name)] = wanted
    return found


def applies(wanted: Requirement, extra: str = "", python: str | None = None) -> bool:
    """Whether a requirement's marker applies on a Space, for an extra and a Python (default: this one)."""
    python_version = {"python_version": python, "python_full_version": f"{python}.0"} if python else {}
    return wanted.marker is None or wanted.marker.evaluate({**SPACE, **python_version, "extra": extra})


def pin(name: str, wanted: Mapping[str, Requirement]) -> str | None:
    """The version that a package is pinned to, or None."""
    specifiers = list(wanted[name].specifier) if name in wanted else []
    if len(specifiers) != 1 or specifiers[0].operator != "==" or specifiers[0].version.endswith(".*"):
        return None
    return specifiers[0].version
