"""Starts the compared systems, each in a process of its own; all serve the same model, with greedy decoding."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.clients.clients import Client, GradioClient, OpenAIClient
from benchmarks.systems import random_model
from benchmarks.systems.meter import Meter
from tests.running import ROOT, App, clean, end, free_port

BASELINE = "baseline"
KERNELS = "baseline + kernels"  # with this app's packed layers and thread counts
SERVER = "transformers serve"
LLAMA = "llamacpp q8_0"  # whose weights are a GGUF file's, and whose passes nobody counts
METERED = "benchmarks/systems/metered.py"


@dataclass(frozen=True)
class Load:
    """What is requested of each system: the model, the message, and the length of the reply."""

    model: str
    message: str
    tokens: int


@dataclass(frozen=True)
class System:
    """A running system, how to make a client of a URL, and the meter of its model."""

    name: str
    port: int
    client: Callable[[str], Client]
    meter: Meter
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def weights(self) -> str:
        """The number format of its weights."""
        return next((form for form in ("int8", "q8_0") if self.name.endswith(f" {form}")), "float32")

    def clients(self, number: int, url: str | None = None) -> list[Client]:
        """New clients, of its own URL or of a proxy's."""
        return [self.client(url or f"http://127.0.0.1:{self.port}") for _ in range(number)]


@contextmanager
def running(names: Sequence[str], load: Load, concurrency: int, loaded: bool = True) -> Iterator[list[System]]:
    """Starts the named systems one after another, each once the one before has `loaded` its model; ends them all.

    A system that can't serve the model is left out, with its reason on stderr.
    """
    started: list[System] = []
    with TemporaryDirectory() as folder:
        try:
            for name in names:
                start = _server if name == SERVER else _app
                started.append(start(name, load, concurrency, Path(folder)))
                ready = not loaded or name in (BASELINE, KERNELS)  # these load their model before they serve
                if not ready and (problem := _wait(started[-1])):
                    print(f"{name} is left out: {problem}", file=sys.stderr)
                    end(started.pop().process)
            yield started
        finally:
            for system in started:
                end(system.process)


def _app(name: str, load: Load, concurrency: int, folder: Path) -> System:
    meter = folder / f"{name.replace(' ', '-')}.meter"
    baseline = name in (BASELINE, KERNELS)
    env = {"METER": str(meter), "APP": "benchmarks/systems/baseline.py" if baseline else "app.py"}
    env |= {"MODEL": str(ROOT / load.model), "MAX_NEW_TOKENS": str(load.tokens)} if baseline else {}
    env |= {"KERNELS": "1"} if name == KERNELS else {}
    app = App(folder, {} if baseline else _changes(name, load, concurrency), METERED, env, fresh=True)
    return System(name, app.port, GradioClient, Meter(meter), app.process, app.log_file)


def _changes(name: str, load: Load, concurrency: int) -> dict[str, object]:
    """What differs from config/tiny.yaml for an engine's name, with or without a number format after it."""
    engine, _, form = name.partition(" ")
    weights = {"model.id": load.model, "model.quantization": form or "none"}
    if name == LLAMA:
        weights = {"model.id": f"{load.model}/{random_model.GGUF}", "model.dtype": "auto"}
    return {
        "engine": engine,
        **weights,
        "system_prompt": "",
        "sampling.max_new_tokens": {"default": load.tokens, "min": 1, "max": load.tokens},
        "limits.concurrency": "auto",  # as the presets are shipped
        "limits.queue": 2 * concurrency,
    }  # fmt: skip


def _server(name: str, load: Load, concurrency: int, folder: Path) -> System:
    """transformers' server with continuous batching, and as much cache as the app's batch has."""
    model, port, meter = str(ROOT / load.model), free_port(), folder / "server.meter"
    settings = {
        "--port": port, "--dtype": "float32", "--cb-block-size": 32, "--cb-max-batch-tokens": 512,
        "--cb-num-blocks": 64 * concurrency,
    }  # fmt: skip
    arguments = ["serve", model, "--continuous-batching", *(str(part) for pair in settings.items() for part in pair)]
    env = {"METER": str(meter), "APP": "transformers.cli.transformers", "ARGUMENTS": shlex.join(arguments)}
    log = folder / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, METERED], cwd=ROOT, stdout=out, stderr=subprocess.STDOUT,
            env={**clean(os.environ), "PYTHONPATH": str(ROOT), **env},
        )  # fmt: skip
    return System(name, port, lambda url: OpenAIClient(url, model, load.tokens), Meter(meter), process, log)


def _wait(system: System) -> str | None:
    """Waits until the model is loaded. Returns why it can't be."""
    while system.process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{system.port}/health", timeout=5).close()
            return None
        except urllib.error.HTTPError as error:
            health = json.loads(error.read() or b"{}")
            if health.get("state") == "failed":
                return health["reason"]
        except OSError:
            pass  # it doesn't listen yet
        time.sleep(0.1)
    return f"it has ended:\n{system.log.read_text('utf-8', 'replace')}"
