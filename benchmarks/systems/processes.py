"""Starts the contestants, each in a process of its own; all serve the same model, with greedy decoding."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from benchmarks.clients import light
from benchmarks.clients.light import Question, Reply
from benchmarks.systems.contestants import Contestant
from benchmarks.systems.models import Load
from tests.forked import Running
from tests.running import ROOT, App, clean, end, free_port

PLACES, WINDOW = 8, 2048  # replies at once, and tokens of each, of servers that want to be told
LOOK, CALM = 0.15, 0.01  # seconds between two looks, and of computing between them, of one that has nothing to do
LOADING = 503
FORMATS: dict[str, dict[str, object]] = {
    "float32": {},
    "bfloat16": {"model.dtype": "bfloat16"},
    "int8": {"model.quantization": "int8"},
    "q8_0": {"model.dtype": "auto"},  # that of a GGUF file
}


@dataclass(frozen=True)
class System:
    """A running contestant, measured from outside, and what it calls its model."""

    contestant: Contestant
    model: str
    port: int
    process: Running
    log: Path

    def replies(self, *questions: Question) -> list[Reply]:
        """The replies to all questions, which are asked at the same moment."""
        return light.replies(self.port, self.model, questions)

    def cpu(self) -> float:
        """Seconds that its processes have computed, once they have nothing more to do."""
        now, before = self.cpu_now(), -1.0
        until = time.monotonic() + 120
        while now - before > CALM and time.monotonic() < until:
            time.sleep(LOOK)
            before, now = now, self.cpu_now()
        return now

    def megabytes(self) -> float:
        """The memory of its processes; where they share some, Linux counts it once."""
        infos = [each.memory_full_info() for each in self._processes()]
        return sum(getattr(info, "pss", info.uss) for info in infos) / 1e6

    def cpu_now(self) -> float:
        return sum(sum(each.cpu_times()[:2]) for each in self._processes())

    def _processes(self) -> list[psutil.Process]:
        first = psutil.Process(self.process.pid)
        return [first, *first.children(recursive=True)]


@contextmanager
def running(contestants: Sequence[Contestant], load: Load, loaded: bool = True) -> Iterator[list[System]]:
    """Starts them one after another, each once the one before has `loaded` its model and replied; ends them all.

    One that can't serve the model is left out, with its reason on stderr.
    """
    started: list[System] = []
    with TemporaryDirectory() as folder:
        try:
            for each in contestants:
                if each.weights == "q8_0" and not load.gguf.is_file():
                    print(f"{each.name} is left out: the model isn't a Llama", file=sys.stderr)
                    continue
                started.append(STARTS[each.start](each, load, Path(folder)))
                if loaded and (problem := _problem(started[-1], load)):
                    print(f"{each.name} is left out: {problem}", file=sys.stderr)
                    end(started.pop().process)
            yield started
        finally:
            for system in started:
                end(system.process)


def settings(load: Load) -> dict[str, object]:
    """What differs from config/tiny.yaml for a load."""
    return {
        "model.id": str(load.model),
        "system_prompt": "",
        "sampling.max_new_tokens": {"default": load.tokens, "min": 1, "max": load.tokens},
        "limits.prompt_characters": 20_000,
        "limits.prompt_tokens": WINDOW - load.tokens,
    }


def _app(contestant: Contestant, load: Load, folder: Path) -> System:
    model = load.gguf if contestant.weights == "q8_0" else load.model
    changes = {**settings(load), "model.id": str(model), **FORMATS[contestant.weights], **contestant.changes}
    app = App(folder, changes, env=dict(contestant.env), fresh=True)
    return System(contestant, str(model), app.port, app.process, app.log_file)


def _baseline(contestant: Contestant, load: Load, folder: Path) -> System:
    return _script(contestant, folder, {"MODEL": str(load.model), "MAX_NEW_TOKENS": str(load.tokens)})


def _paced(contestant: Contestant, load: Load, folder: Path) -> System:
    """As many words as the others write tokens, as fast as they can be sent."""
    text, history = folder / "text", folder / "history"
    text.write_text("word " * load.tokens, "utf-8")
    history.write_text("[]", "utf-8")
    return _script(contestant, folder, {"TEXT": str(text), "HISTORY": str(history), "PIECE": "5", "PAUSE": "0"})


def _script(contestant: Contestant, folder: Path, env: dict[str, str]) -> System:
    app = App(folder, {}, f"benchmarks/systems/{contestant.start}.py", env, fresh=True)
    return System(contestant, "", app.port, app.process, app.log_file)


def _serve(contestant: Contestant, load: Load, folder: Path) -> System:
    """transformers' server with continuous batching, and a cache for as many replies as it has places."""
    options = f"--dtype float32 --cb-block-size 32 --cb-max-batch-tokens 512 --cb-num-blocks {PLACES * WINDOW // 32}"
    command = ["-m", "transformers.cli.transformers", "serve", str(load.model), "--continuous-batching"]
    return _server(contestant, str(load.model), folder, [*command, *options.split(), "--port"])


def _llama(contestant: Contestant, load: Load, folder: Path) -> System:
    command = ["benchmarks/systems/llama.py", str(load.gguf), PLACES, WINDOW, os.cpu_count() or 1]
    return _server(contestant, str(load.gguf), folder, map(str, command))


def _server(contestant: Contestant, model: str, folder: Path, command: Iterable[str]) -> System:
    """A server whose command ends with its port."""
    port, log = free_port(), folder / f"{contestant.start}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, *command, str(port)], cwd=ROOT, env=clean(os.environ), stdout=out, stderr=subprocess.STDOUT
        )
    return System(contestant, model, port, process, log)


STARTS: dict[str, Callable[[Contestant, Load, Path], System]] = {
    "app": _app, "bare": _baseline, "baseline": _baseline, "paced": _paced, "serve": _serve, "llama": _llama,
}  # fmt: skip


def _problem(system: System, load: Load) -> str | None:
    """Waits until the model is loaded, and has replied. Returns why it can't."""
    while system.process.poll() is None:
        status, health = _health(system.port)
        if health.get("state") == "failed":
            return str(health["reason"])
        if status not in (LOADING, None):
            system.replies(Question([{"role": "user", "content": load.message}], load.tokens))
            return None
        time.sleep(0.1)
    return f"it has ended:\n{system.log.read_text('utf-8', 'replace')}"


def _health(port: int) -> tuple[int | None, dict[str, Any]]:
    """What a system says of itself; None while it doesn't listen. The baseline knows no such question."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return answer.status, {}
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"{}")
    except OSError:
        return None, {}
