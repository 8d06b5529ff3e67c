"""The model's process of `probed_app`, with its probe."""

from __future__ import annotations

from streamspace.reply import worker
from tests.standins.apps import probe

if __name__ == "__main__":
    probe.register()
    worker.main()
