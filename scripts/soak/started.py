"""Runs the app that APP names, or the module of its argument, as it is, but on SIGUSR1 it tells what memory is in use
and its threads, in its log. The model's process does the same.

Memory in use is what Python has allocated since the first signal and not freed: no garbage, and nothing of what
allocators hold for later or of torch's caches by shape, which is most of what a process grows by at first.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import runpy
import signal
import sys
import tracemalloc

from streamspace.reply import process


def tell(number: int, frame: object) -> None:
    """Handles the signal."""
    gc.collect()
    if not tracemalloc.is_tracing():
        tracemalloc.start()
    print(f"bytes in use: {tracemalloc.get_traced_memory()[0]}", file=sys.stderr, flush=True)
    faulthandler.dump_traceback()


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, tell)
    if sys.argv[1:]:
        runpy.run_module(sys.argv[1], run_name="__main__", alter_sys=True)
    else:
        process.PROGRAM = ("scripts/soak/started.py", process.PROGRAM[-1])
        runpy.run_path(os.environ["APP"], run_name="__main__")
