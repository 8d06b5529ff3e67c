"""What requirements.txt asks for: the one place where the Space's versions are written down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from streamspace.config import file as configfile

FILE = configfile.ROOT / "requirements.txt"
SPACE = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": "x86_64"}


def read(path: Path = FILE) -> dict[str, Requirement]:
    """Each package that a Space gets, by its canonical name, for example `huggingface-hub`."""
    return parse(path.read_text("utf-8").splitlines())


def parse(lines: Iterable[str]) -> dict[str, Requirement]:
    """The packages that lines of a requirements file name; options, paths and addresses among them are left out."""
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
    """Whether a requirement's marker holds on a Space, for an extra and a Python (else the one that runs)."""
    python_version = {"python_version": python, "python_full_version": f"{python}.0"} if python else {}
    return wanted.marker is None or wanted.marker.evaluate({**SPACE, **python_version, "extra": extra})


def pin(name: str, wanted: Mapping[str, Requirement]) -> str | None:
    """The one version that a package is pinned to, or None."""
    specifiers = list(wanted[name].specifier) if name in wanted else []
    if len(specifiers) != 1 or specifiers[0].operator != "==" or specifiers[0].version.endswith(".*"):
        return None
    return specifiers[0].version
