"""The real app.py, with a probe on the model, whatever process that is in; see `probe`."""

from __future__ import annotations

import app
from streamspace.reply import process
from streamspace.web import startup
from tests.standins.apps import probe

if __name__ == "__main__":
    process.PROGRAM = ("tests/standins/apps/probed_worker.py",)
    probe.register()  # on ZeroGPU the model is here
    startup.serve(app.demo, app.loader)
