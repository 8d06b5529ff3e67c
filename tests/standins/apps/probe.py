"""A probe on the model of this process: tests read how many steps it took, slow it down, or make it fail.

PROBE names a folder. Each forward pass appends its start time to `steps` there, as a double; then it sleeps for the
seconds written in `slow` (or `reading`, for a prompt's pass), and raises the text written in `fail`, where those files
exist. Workers that are forked from this process do the same.
"""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path
from typing import Any

import torch
from torch.nn.modules.module import register_module_forward_pre_hook

PROBE = Path(os.environ["PROBE"])
counter = os.open(PROBE / "steps", os.O_CREAT | os.O_APPEND | os.O_WRONLY)


def probe(module: Any, inputs: tuple[Any, ...]) -> None:
    if not isinstance(module, torch.nn.Embedding):
        return  # a forward pass begins with the embedding of its tokens
    os.write(counter, struct.pack("d", time.time()))
    wait = "reading" if inputs[0].shape[1] > 1 else "slow"
    if (PROBE / wait).exists():
        time.sleep(float((PROBE / wait).read_text()))
    if (PROBE / "fail").exists():
        raise RuntimeError((PROBE / "fail").read_text())


def register() -> None:
    """Sets the probe."""
    register_module_forward_pre_hook(probe)
