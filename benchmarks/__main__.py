"""The command line of the benchmarks: `make bench`, or `make bench ARGS=--full` for many clients (minutes)."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tokenizers import Tokenizer

from benchmarks.measurements import forward_pass, images, overhead, page, startup, turns
from benchmarks.measurements.serving import Row, rows
from benchmarks.report import record
from benchmarks.systems.processes import BASELINE, KERNELS, LLAMA, SERVER, Load, running
from tests.running import ROOT

TINY = "./models/tiny"
ENGINES = ("generate", "batching")
MESSAGE = "Count to two hundred"
SHORT, LONG = 64, 512  # tokens of the replies by which the overhead is measured


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the chosen measurement and prints its table; figures of systems are also written as JSON."""
    options = _parser().parse_args(arguments)
    if options.measure:
        for line in options.measure():
            print(line)
        return 0
    conditions = record.conditions()
    if options.full:
        measured = all_systems(options.concurrency, options.rounds)
    else:
        measured = engines(["batching"], 64, rounds=1) if options.quick else engines(ENGINES, 256, rounds=5)
    print(record.markdown(measured))
    print(f"\nWritten to {record.save(measured, conditions, options.json)}")
    return 0


def _overhead() -> Iterator[str]:
    with random_model() as model:
        yield forward_pass.lines(forward_pass.passes(model, rounds=9)) + "\n"
        yield overhead.lines(overhead.speeds(model, SHORT, LONG, rounds=3), SHORT, LONG)


def _turns() -> Iterator[str]:
    with random_model() as model:
        yield turns.lines(turns.seconds(model, rounds=3))


def _start() -> Iterator[str]:
    yield startup.lines(startup.seconds(Load(TINY, MESSAGE, tokens=16), rounds=3))


def _images() -> Iterator[str]:
    with TemporaryDirectory() as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        yield from images.lines(Path(folder))


def _page() -> Iterator[str]:
    with TemporaryDirectory() as folder:
        yield page.lines(page.visits(Path(folder), rounds=3))


ALONE = {  # measurements that are no comparison of systems
    "--overhead": (_overhead, "the time of forward passes, and what streaming adds"),
    "--turns": (_turns, "the wait for each turn of a long conversation, with what was read kept and without"),
    "--start": (_start, "the time until the page, and until the first token"),
    "--images": (_images, "the memory that large images take"),
    "--page": (_page, "what the page loads, and how it keeps up, in a browser"),
}


def engines(names: Sequence[str], tokens: int, rounds: int) -> list[Row]:
    """One client, the embedded model: the baseline, and this app with each of the engines."""
    tokenizer = Tokenizer.from_file(str(ROOT / TINY / "tokenizer.json"))
    load = Load(TINY, MESSAGE, tokens)
    with running([BASELINE, *names], load, concurrency=4) as systems:
        return rows(systems, load, [1], rounds, lambda text: len(tokenizer.encode(text, add_special_tokens=False)))


def all_systems(concurrencies: Sequence[int], rounds: int) -> list[Row]:
    """Many clients, a random model of a usual size that never ends a reply: all systems."""
    with random_model() as model:
        load = Load(model, MESSAGE, tokens=32)
        names = [BASELINE, KERNELS, "generate", "batching", "batching int8", LLAMA, SERVER]
        with running(names, load, max(concurrencies)) as systems:
            return rows(systems, load, concurrencies, rounds, lambda _: load.tokens)


@contextmanager
def random_model() -> Iterator[str]:
    """The folder of a random model, for as long as the context lasts."""
    with TemporaryDirectory() as folder:
        call = f"random_model.build({folder!r}, {str(ROOT / TINY)!r})"
        build = [sys.executable, "-c", f"from benchmarks.systems import random_model; {call}"]
        subprocess.run(build, check=True, cwd=ROOT)  # not here: torch reads the environment when it is imported
        yield folder


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round, to see that it works")
    parser.add_argument("--full", action="store_true", help="all systems, a model of 115M parameters, many clients")
    for name, (measure, words) in ALONE.items():
        parser.add_argument(name, action="store_const", const=measure, dest="measure", help=words)
    parser.add_argument(
        "--concurrency",
        type=int,
        nargs="+",
        default=[1, 4, 8, 16, 32],
        metavar="N",
        help="clients, with --full",
    )
    parser.add_argument("--rounds", type=int, default=2, metavar="N", help="with --full")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write (default: benchmarks/results/)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
