"""ZeroGPU: the only module that touches the `spaces` package, after app.py has imported it first."""

from __future__ import annotations

import sys


def present() -> bool:
    """Whether this process runs on ZeroGPU, as the `spaces` package sees it."""
    spaces = sys.modules.get("spaces")
    return bool(spaces and spaces.config.Config.zero_gpu)
