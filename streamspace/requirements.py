"""What requirements.txt asks for: the one place where the Space's versions are written down."""

from __future__ import annotations

import re
from pathlib import Path

from streamspace import configfile

FILE = configfile.ROOT / "requirements.txt"


def read(path: Path = FILE) -> dict[str, str]:
    """Each package with what follows its name, for example `{"gradio": "==6.31.0", "spaces": ">=0.51"}`."""
    found: dict[str, str] = {}
    for line in path.read_text("utf-8").splitlines():
        text = line.split("#")[0].strip()
        if match := re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9_.-]*)(?:\[[^\]]*\])?\s*([^;]*)(;.*)?", text):
            found[match[1].lower().replace("_", "-")] = match[2].replace(" ", "")
    return found


def pin(name: str, wanted: dict[str, str]) -> str | None:
    """The one version that a package is pinned to, or None."""
    match = re.fullmatch(r"==([0-9][0-9A-Za-z.+]*)", wanted.get(name, ""))
    return match[1] if match else None
