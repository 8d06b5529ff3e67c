"""The real app.py, with a probe on the model: tests read how many steps it took, slow it down, or make it fail.

PROBE names a folder. Each forward pass appends a byte to `steps` there; before it, the pass sleeps for the seconds
written in `slow`, and raises the text written in `fail`, where those files exist.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from torch.nn.modules.module import register_module_forward_pre_hook
from transformers import PreTrainedModel

import app

PROBE = Path(os.environ["PROBE"])
counter = os.open(PROBE / "steps", os.O_CREAT | os.O_APPEND | os.O_WRONLY)


def probe(module: Any, inputs: Any) -> None:
    if not (isinstance(module, PreTrainedModel) and module.can_generate()):
        return
    os.write(counter, b".")
    if (PROBE / "slow").exists():
        time.sleep(float((PROBE / "slow").read_text()))
    if (PROBE / "fail").exists():
        raise RuntimeError((PROBE / "fail").read_text())


if __name__ == "__main__":
    register_module_forward_pre_hook(probe)
    sys.exit(app.main())
