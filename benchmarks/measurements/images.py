"""Measures the memory that reading six large images takes at its peak, for each format, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from tests.running import ROOT

IMAGES = 6
LARGE: list[
    tuple[str, str, int, dict[str, Any]]
] = [  # the largest that are read: mode, millions of pixels, how to save
    ("colours.png", "RGBA", 50, {"compress_level": 1}),
    ("palette.png", "P", 64, {"transparency": 0, "compress_level": 1}),
    ("lossless.webp", "RGBA", 12, {"lossless": True, "quality": 0, "method": 0}),
    ("plain.jpg", "RGB", 64, {"subsampling": 0}),
    ("progressive.jpg", "RGB", 33, {"progressive": True, "subsampling": 0}),
]
READ = """
import re, sys
from pathlib import Path
from streamspace.config.types import Limits
from streamspace.prompt.conversation import Turn
from streamspace.prompt.images import Images
small, large, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
def peak():  # not rusage's, which begins with the parent's
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
def read(paths): Images(Limits(images=count)).read([Turn("user", "x", tuple(paths))])
read([small])  # what a decoder needs once
before = peak()
read([large] * count)
print((peak() - before) // 1024)
"""


def save(folder: Path, name: str, mode: str, pixels: int, options: dict[str, Any]) -> tuple[Path, Path]:
    """A small and a large image of one format."""
    side = int((pixels * 10**6) ** 0.5)
    for size, path in ((64, folder / f"small-{name}"), (side, folder / name)):
        Image.new(mode, (size, size)).save(path, **options)
    return folder / f"small-{name}", folder / name


def megabytes(small: Path, large: Path) -> int:
    """Linux: how far the memory of a process grows that reads the large image `IMAGES` times."""
    command = [sys.executable, "-c", READ, str(small), str(large), str(IMAGES)]
    return int(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)


def lines(folder: Path) -> Iterator[str]:
    """As a Markdown table."""
    yield f"| image | pixels, millions | memory for {IMAGES}, MB |\n| --- | ---: | ---: |"
    for name, mode, pixels, options in LARGE:
        yield f"| {name} | {pixels} | {megabytes(*save(folder, name, mode, pixels, options))} |"
