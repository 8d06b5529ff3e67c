"""Runs an app as it is, and counts what its model does: `METER=FILE APP=app.py python benchmarks/counted.py`."""

from __future__ import annotations

import os
import resource
import runpy
import sys
import threading
import time
from pathlib import Path

from transformers import AutoModelForCausalLM

from benchmarks.meter import CPU, DELAY, PEAK, STEPS, Meter

PER_MB = 1024**2 if sys.platform == "darwin" else 1024  # getrusage counts bytes there, kilobytes elsewhere


def main() -> None:
    """Puts a hook on the forward pass of whichever model the app loads, then becomes the app."""
    meter = Meter(Path(os.environ["METER"]))
    load = AutoModelForCausalLM.from_pretrained

    def step(*_) -> None:
        meter[STEPS] += 1
        if meter[DELAY]:
            time.sleep(meter[DELAY])

    def load_hooked(*args, **settings):
        loaded = load(*args, **settings)
        model = loaded[0] if isinstance(loaded, tuple) else loaded
        model.register_forward_pre_hook(step)
        return loaded

    AutoModelForCausalLM.from_pretrained = load_hooked
    threading.Thread(target=report, args=(meter,), daemon=True).start()
    sys.argv = [os.environ["APP"]]
    runpy.run_path(os.environ["APP"], run_name="__main__")


def report(meter: Meter) -> None:
    """Writes this process's CPU time and memory, 20 times a second."""
    while True:
        meter[CPU] = time.process_time()
        meter[PEAK] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / PER_MB
        time.sleep(0.05)


if __name__ == "__main__":
    main()
