"""Runs an app as it is, and counts what its model does: `METER=FILE APP=app.py python benchmarks/systems/metered.py`.

APP may be a module's name too; ARGUMENTS are its command line's.
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

from benchmarks.systems.meter import CPU, DELAY, PEAK, STEPS, Meter

PER_MB = 1024**2 if sys.platform == "darwin" else 1024  # getrusage counts bytes there, kilobytes elsewhere


def main() -> None:
    """Counts for the app named in the environment, and becomes it."""
    meter = Meter(Path(os.environ["METER"]))
    sys.meta_path.insert(0, Hook(meter))
    threading.Thread(target=report, args=(meter,), daemon=True).start()
    app = os.environ["APP"]
    sys.argv = [app, *shlex.split(os.environ.get("ARGUMENTS", ""))]
    if app.endswith(".py"):
        runpy.run_path(app, run_name="__main__")
    else:
        runpy.run_module(app, run_name="__main__")


class Hook(importlib.abc.MetaPathFinder):
    """Sees to it that whichever model the app loads is counted, once the app itself imports what loads it.

    Not sooner: an app may set what torch reads when it is imported.
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

        def step(*_) -> None:  # a function: quantizing a model copies its hooks, and a method's object with them
            meter[STEPS] += 1
            if meter[DELAY]:
                time.sleep(meter[DELAY])

        def from_pretrained(cls, *args, **settings):
            loaded = load(cls, *args, **settings)
            model = loaded[0] if isinstance(loaded, tuple) else loaded
            model.register_forward_pre_hook(step)
            return loaded

        kind.from_pretrained = classmethod(from_pretrained)


def report(meter: Meter) -> None:
    """Writes this process's CPU time and memory, 20 times a second."""
    while True:
        meter[CPU] = time.process_time()
        meter[PEAK] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / PER_MB
        time.sleep(0.05)


if __name__ == "__main__":
    main()
