"""A folder of empty wheels that stands in for the package index, so that pip and uv can resolve without a network."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path


class Wheelhouse:
    """Wheels with metadata and nothing else. It holds pip too, by which a missing index is told from a conflict."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.add("pip", "26.0")

    @property
    def env(self) -> dict[str, str]:
        """What makes pip and uv look here only, whatever the machine's own settings are."""
        here = str(self.folder)
        pip = {"PIP_CONFIG_FILE": "/dev/null", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": here}
        # Offline, uv would still know what its cache holds.
        return pip | {"UV_NO_CONFIG": "1", "UV_OFFLINE": "1", "UV_NO_CACHE": "1", "UV_FIND_LINKS": here}

    def add(
        self,
        name: str,
        version: str,
        requires: Sequence[str] = (),
        extras: Sequence[str] = (),
        tag: str = "py3-none-any",
    ) -> None:
        """Adds a release, with the lines of its Requires-Dist."""
        info = f"{name.replace('-', '_')}-{version}.dist-info"
        metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        metadata += [f"Provides-Extra: {extra}" for extra in extras] + [f"Requires-Dist: {line}" for line in requires]
        wheel = f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n"
        with zipfile.ZipFile(self.folder / f"{name.replace('-', '_')}-{version}-{tag}.whl", "w") as file:
            file.writestr(f"{info}/METADATA", "\n".join(metadata) + "\n\n")
            file.writestr(f"{info}/WHEEL", wheel)
            file.writestr(f"{info}/RECORD", "")
