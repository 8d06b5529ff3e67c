"""Runs the app that APP names, as it is, but on SIGUSR1 it tells in its log what memory is in use, and its threads.

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


def tell(number: int, frame: object) -> None:
    """Handles the signal."""
    gc.collect()
    if not tracemalloc.is_tracing():
        tracemalloc.start()
    print(f"bytes in use: {tracemalloc.get_traced_memory()[0]}", file=sys.stderr, flush=True)
    faulthandler.dump_traceback()


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, tell)
    runpy.run_path(os.environ["APP"], run_name="__main__")
