"""Runs an unchanged app and meters its model: `METER=FILE APP=app.py python benchmarks/systems/metered.py`.

APP may also be the name of a module, with its command line in ARGUMENTS. KERNELS=1 gives the model this app's packed
layers and thread counts, to measure what they gain by themselves.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import os
import resource
import runpy
import shlex
import sys
import threading
import time
from pathlib import Path

from benchmarks.systems.meter import CPU, DELAY, PASSES, PEAK, Meter

PER_MB = 1024**2 if sys.platform == "darwin" else 1024  # getrusage counts in bytes there, in kilobytes elsewhere


def main() -> None:
    """Installs the meter, then runs the app named in the environment."""
    meter = Meter(Path(os.environ["METER"]))
    if os.environ.get("KERNELS"):
        from streamspace.reply import build

        build.before_torch()
    sys.meta_path.insert(0, ImportHook(meter))
    threading.Thread(target=report, args=(meter,), daemon=True).start()
    app = os.environ["APP"]
    sys.argv = [app, *shlex.split(os.environ.get("ARGUMENTS", ""))]
    if app.endswith(".py"):
        runpy.run_path(app, run_name="__main__")
    else:
        runpy.run_module(app, run_name="__main__")


class ImportHook(importlib.abc.MetaPathFinder):
    """Meters whichever model the app loads, from the moment that the app itself imports transformers.

    Not earlier: an app may set environment variables that torch reads when it is imported.
    """

    def __init__(self, meter: Meter) -> None:
        self.meter = meter

    def find_spec(self, name, path, target=None):
        if name != "transformers.modeling_utils":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module
        spec.loader.exec_module = lambda module: (execute(module), self.patch(module.PreTrainedModel))
        return spec

    def patch(self, kind: type) -> None:
        load, meter = kind.from_pretrained.__func__, self.meter

        def before_pass(*_) -> None:  # a function: quantization copies a model's hooks, and a method's object with them
            meter[PASSES] += 1
            if meter[DELAY]:
                time.sleep(meter[DELAY])

        def from_pretrained(cls, *args, **settings):
            loaded = load(cls, *args, **settings)
            model = loaded[0] if isinstance(loaded, tuple) else loaded
            if os.environ.get("KERNELS"):
                optimize(model)
            model.register_forward_pre_hook(before_pass)
            return loaded

        kind.from_pretrained = classmethod(from_pretrained)


def optimize(model) -> None:
    """Packs the layers and chooses the thread counts, as the app does."""
    from streamspace.model import packing, threads

    threads.limit()
    threads.tune(packing.pack(model))


def report(meter: Meter) -> None:
    """Writes this process's CPU time and memory, 20 times a second."""
    while True:
        meter[CPU] = time.process_time()
        meter[PEAK] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / PER_MB
        time.sleep(0.05)


if __name__ == "__main__":
    main()
