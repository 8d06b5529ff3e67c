"""The apps and servers that are compared, each a process of its own; all get the same model, and answer greedily."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.clients.clients import ApiVisitor, PageVisitor, Visitor
from benchmarks.systems.meter import Meter
from tests.running import ROOT, App, clean, end, free_port

SERVER = "transformers serve"
COUNTED = "benchmarks/systems/metered.py"


@dataclass(frozen=True)
class Load:
    """What is asked of each app: which model, which question, how long a reply."""

    model: str
    message: str
    tokens: int


@dataclass(frozen=True)
class Contestant:
    """A running app, who visits it at an address (its own, or a relay's), and what its model does."""

    name: str
    port: int
    visitor: Callable[[str], Visitor]
    meter: Meter
    process: subprocess.Popen[bytes]
    log: Path

    def visitors(self, number: int, url: str | None = None) -> list[Visitor]:
        """New ones."""
        return [self.visitor(url or f"http://127.0.0.1:{self.port}") for _ in range(number)]


@contextmanager
def running(names: Sequence[str], load: Load, at_once: int, loaded: bool = True) -> Iterator[list[Contestant]]:
    """Starts the named apps, one after the other when the one before is `loaded`; they are ended after the context."""
    started: list[Contestant] = []
    with TemporaryDirectory() as folder:
        try:
            for name in names:
                start = _server if name == SERVER else _app
                started.append(start(name, load, at_once, Path(folder)))
                if loaded and name != "naive":  # which has its model before its page
                    _load(started[-1])
            yield started
        finally:
            for contestant in started:
                end(contestant.process)


def _app(name: str, load: Load, at_once: int, folder: Path) -> Contestant:
    meter = folder / f"{name.replace(' ', '-')}.meter"
    env = {"METER": str(meter), "APP": "benchmarks/systems/baseline.py" if name == "naive" else "app.py"}
    naive = {"MODEL": str(ROOT / load.model), "MAX_NEW_TOKENS": str(load.tokens)}
    app = App(folder, _changes(name, load, at_once), COUNTED, {**env, **naive})
    return Contestant(name, app.port, PageVisitor, Meter(meter), app.process, app.log_file)


def _changes(name: str, load: Load, at_once: int) -> dict[str, object]:
    """What differs from config/tiny.yaml for "generate", "batching", or either of them with " int8" after it."""
    engine, _, quantization = name.partition(" ")
    return {
        "engine": "auto" if name == "naive" else engine,
        "model.quantization": quantization or "none",
        "model.id": load.model,
        "system_prompt": "",
        "sampling.max_new_tokens": {"default": load.tokens, "min": 1, "max": load.tokens},
        "limits.concurrency": at_once,
        "limits.queue": 2 * at_once,
    }  # fmt: skip


def _server(name: str, load: Load, at_once: int, folder: Path) -> Contestant:
    """transformers' own server, with continuous batching and as much room as the app's batch has."""
    model, port, meter = str(ROOT / load.model), free_port(), folder / "server.meter"
    settings = {
        "--port": port, "--dtype": "float32", "--cb-block-size": 32, "--cb-max-batch-tokens": 512,
        "--cb-num-blocks": 64 * at_once,
    }  # fmt: skip
    arguments = ["serve", model, "--continuous-batching", *(str(part) for pair in settings.items() for part in pair)]
    env = {"METER": str(meter), "APP": "transformers.cli.transformers", "ARGUMENTS": shlex.join(arguments)}
    log = folder / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, COUNTED], cwd=ROOT, stdout=out, stderr=subprocess.STDOUT,
            env={**clean(os.environ), "PYTHONPATH": str(ROOT), **env},
        )  # fmt: skip
    return Contestant(name, port, lambda url: ApiVisitor(url, model, load.tokens), Meter(meter), process, log)


def _load(contestant: Contestant) -> None:
    """Waits until a reply could be written."""
    while contestant.process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{contestant.port}/health", timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"{contestant.name} has ended:\n{contestant.log.read_text('utf-8', 'replace')}")
