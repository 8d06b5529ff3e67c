"""The apps that are compared, each a process of its own; all get the same model, and answer greedily."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.meter import Meter
from tests.running import ROOT, App


@dataclass(frozen=True)
class Load:
    """What is asked of each app: which model, which question, how long a reply."""

    model: str
    message: str
    tokens: int


@dataclass(frozen=True)
class Contestant:
    """A running app, and what its model does."""

    name: str
    app: App
    meter: Meter


@contextmanager
def running(names: Sequence[str], load: Load, at_once: int) -> Iterator[list[Contestant]]:
    """Starts the named apps; they are ended after the context."""
    started: list[Contestant] = []
    with TemporaryDirectory() as folder:
        try:
            for name in names:
                started.append(_start(name, load, at_once, Path(folder)))
            yield started
        finally:
            for contestant in started:
                contestant.app.end()


def _start(name: str, load: Load, at_once: int, folder: Path) -> Contestant:
    meter = folder / f"{name.replace(' ', '-')}.meter"
    env = {"METER": str(meter), "APP": str(ROOT / ("benchmarks/naive.py" if name == "naive" else "app.py"))}
    naive = {"MODEL": str(ROOT / load.model), "MAX_NEW_TOKENS": str(load.tokens)}
    app = App(folder, _changes(name, load, at_once), "benchmarks/counted.py", {**env, **naive})
    return Contestant(name, app, Meter(meter))


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
