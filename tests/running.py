"""Runs the real app as a process of its own, on a free port of the loopback."""

from __future__ import annotations

import copy
import os
import re
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from tests.forked import Running, forkable, start

ROOT = Path(__file__).parents[1]


class App:
    """A running app. `changes` are dotted keys put over config/tiny.yaml; `script` is what is run instead of app.py.

    A `fresh` one imports everything itself.
    """

    def __init__(
        self,
        folder: Path,
        changes: dict[str, Any] | None = None,
        script: str = "app.py",
        env: dict[str, str] | None = None,
        port: int | None = None,
        fresh: bool = False,
    ) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = folder
        self.log_file = folder / f"app-{self.port}.log"
        config = folder / f"config-{self.port}.yaml"
        config.write_text(yaml.safe_dump(changed(changes or {})), "utf-8")
        settings = {"SPACE_CONFIG": str(config), "GRADIO_SERVER_PORT": str(self.port), "PYTHONPATH": str(ROOT)}
        whole = {**clean(os.environ), **settings, **(env or {})}
        self.process = start([script], ROOT, whole, self.log_file, fresh or not forkable(env or {}))
        self._wait()

    @property
    def log(self) -> str:
        """What the process has printed so far."""
        return self.log_file.read_text("utf-8", "replace")

    def end(self) -> None:
        """Ends the process, and waits for it."""
        end(self.process)

    def _wait(self, seconds: float = 120) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise RuntimeError(f"the app ended with {self.process.returncode}:\n{self.log}")
            if up(self.url):
                return
            time.sleep(0.1)
        self.end()
        raise RuntimeError(f"the app did not start within {seconds} s:\n{self.log}")


def end(process: Running) -> None:
    """Ends a process, and waits for it."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def up(url: str) -> bool:
    """Whether a Gradio app answers there."""
    try:
        with urllib.request.urlopen(f"{url}/config", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def changed(changes: dict[str, Any]) -> dict[str, Any]:
    """config/tiny.yaml as data, with dotted keys set."""
    data = copy.deepcopy(yaml.safe_load((ROOT / "config/tiny.yaml").read_text("utf-8")))
    for key, value in changes.items():
        *parents, last = key.split(".")
        place = data
        for parent in parents:
            place = place[parent]
        place[last] = value
    return data


def clean(environ: Any) -> dict[str, str]:
    """The environment without the developer's own Hub and Gradio settings; the Hub is out of reach."""
    kept = {name: value for name, value in environ.items() if not re.match(r"HF_|SPACE|GRADIO_|HUGGING", name)}
    return {**kept, "HF_HUB_OFFLINE": "1", "GRADIO_ANALYTICS_ENABLED": "False"}


def free_port() -> int:
    """A port of the loopback that nobody uses now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
