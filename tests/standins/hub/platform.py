"""What the platform puts around a Space's app: its environment, and the configurations that it refuses to build.

Read in the Hub's documentation ("Spaces Overview", helper environment variables) and in public build and run logs of
2026. Where a value can't be the same here, a comment says so.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from streamspace.checks.platform import ZEROGPU, ZEROGPU_PYTHON, ZEROGPU_TORCH

PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")  # the images that there are
MEMORY = {"cpu-basic": "16Gi", "cpu-upgrade": "32Gi"}


def environment(space_id: str, port: int, folder: Path, hardware: str = "cpu-basic") -> dict[str, str]:
    """All variables that the app of this Space gets, none of the developer's own. `folder` is where its files lie."""
    owner, name = space_id.split("/")
    subdomain = space_id.replace("/", "-").lower()
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "HOME": str(folder.parent),
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(folder),
        "SYSTEM": "spaces",
        "SPACE_ID": space_id,
        "SPACE_HOST": f"{subdomain}.hf.space",
        "SPACE_SUBDOMAIN": subdomain,
        "SPACE_AUTHOR_NAME": owner,
        "SPACE_REPO_NAME": name,
        "CPU_CORES": "2",
        "MEMORY": MEMORY.get(hardware, "16Gi"),
        "ACCELERATOR": "none" if hardware.startswith("cpu") else hardware,
        "GRADIO_SERVER_NAME": "127.0.0.1",  # there it is 0.0.0.0
        "GRADIO_SERVER_PORT": str(port),  # there it is not set: gradio's own 7860
        "GRADIO_NUM_PORTS": "1",  # an app that doesn't get its port ends, rather than trying the next
        "GRADIO_ALLOW_FLAGGING": "never",
        "GRADIO_ANALYTICS_ENABLED": "False",  # there it is not set: tests don't call home
    }


def zero_environment(api: str, folder: Path) -> dict[str, str]:
    """What ZeroGPU adds. `api` is the device API's address; packed weights are written under `folder`."""
    return {
        "SPACES_ZERO_GPU": "true",  # gradio compares with exactly this
        "SPACES_ZERO_DEVICE_API_URL": api,
        "ZEROGPU_OFFLOAD_DIR": str(folder / "tensors"),  # wiped at launch
        "ZEROGPU_MMAP_AUTOPRUNE_PATTERN": "/nonexistent/*",  # else model files in the cache are deleted
        "TOKENIZERS_PARALLELISM": "false",
        "OMP_NUM_THREADS": "1",  # two workers on two cores
    }


def python(hardware: str) -> str:
    """The version that runs where the card names none."""
    return ZEROGPU_PYTHON[-1] if hardware == ZEROGPU else "3.13"


def refused(card: Mapping[str, Any], requirements: str, hardware: str) -> str | None:
    """What the page says of a configuration error, or None. `requirements` is the text of requirements.txt.

    The sentence about torch is the platform's own; those about the card are in its manner.
    """
    if not isinstance(card.get("sdk_version"), str):
        return "sdk_version must be a string"
    if hardware != ZEROGPU:
        return None
    if card.get("sdk") != "gradio":
        return "ZeroGPU is only available for Gradio Spaces"
    wanted = str(card.get("python_version") or python(hardware))
    if ".".join(wanted.split(".")[:2]) not in ZEROGPU_PYTHON:
        return f"python_version is not compatible with ZeroGPU. Supported versions: {', '.join(ZEROGPU_PYTHON)}"
    pinned = re.search(r"(?m)^torch\s*===?\s*([\w.+]+)", requirements)
    if pinned and pinned[1] not in ZEROGPU_TORCH:
        known = ", ".join(reversed(ZEROGPU_TORCH))
        return f"torch version in requirements.txt is not compatible with ZeroGPU. Supported versions: {known}"
    return None
