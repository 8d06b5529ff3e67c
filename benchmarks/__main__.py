"""The command line of the benchmarks: `make bench`, or `make bench ARGS=--full` for all contestants (half an hour)."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.measurements import comparison, forward_pass, images, overhead, page, startup, zerogpu
from benchmarks.report import record, tables
from benchmarks.systems import models
from benchmarks.systems.contestants import BASELINE, NAMED, groups
from benchmarks.systems.models import Load

RANDOM = "random"
SHORT, LONG = 64, 512  # tokens of the replies by which the overhead is measured


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the chosen measurement and prints its table; figures of systems are also written as JSON."""
    options = _parser().parse_args(arguments)
    if options.measure:
        for line in options.measure():
            print(line)
        return 0
    measured = (_full if options.full else _short)(options, record.conditions())
    visitors = measured["visitors"]
    for model in measured["models"]:
        print(f"{model['name']}: {tables.noise(model)}\n\n{tables.contestants(model, visitors)}\n")
        if model["groups"][1:]:
            print(f"{tables.switches(model, visitors)}\n")
    print(f"{tables.zerogpu(measured['zerogpu'])}\n" if measured["zerogpu"] else "", end="")
    record.save(measured, options.json)
    print(f"Written to {options.json}")
    return 0


def _full(options: argparse.Namespace, measured: dict[str, Any]) -> dict[str, Any]:
    """All contestants and switches, with each model; and what ZeroGPU is asked for.

    What has been measured is written before the next group is.
    """
    tokens, visitors, rounds = 64, options.visitors, options.rounds
    loads: list[AbstractContextManager[Load]] = [
        models.random(tokens) if each == RANDOM else models.real(Path(each), tokens)
        for each in options.model or [RANDOM]
    ]
    measured |= _shape(visitors, tokens, rounds) | {"zerogpu": zerogpu.turns(models.embedded(tokens))}
    for each in loads:
        with each as load:
            found: dict[str, Any] = {"name": load.name, "groups": []}
            measured["models"].append(found)
            for group in [[NAMED[name] for name in options.only]] if options.only else groups():
                found["groups"].append(comparison.compare(group, load, visitors, rounds))
                record.save(measured, options.json)
    return measured


def _short(options: argparse.Namespace, measured: dict[str, Any]) -> dict[str, Any]:
    """The embedded model: the baseline, and this app with its engines, for one visitor and some."""
    names, visitors, tokens, rounds = [BASELINE, "generate", "batching"], [1, 8], 64, 3
    if options.quick:
        names, visitors, tokens, rounds = [BASELINE, "batching"], [1, 2], 64, 1
    load = models.embedded(tokens)
    rows = comparison.compare([NAMED[name] for name in names], load, visitors, rounds)
    return measured | _shape(visitors, tokens, rounds) | {"models": [{"name": load.name, "groups": [rows]}]}


def _shape(visitors: Sequence[int], tokens: int, rounds: int) -> dict[str, Any]:
    return {"visitors": visitors, "tokens": tokens, "rounds": rounds, "models": [], "zerogpu": []}


def _overhead() -> Iterator[str]:
    with models.random(LONG) as load:
        yield forward_pass.lines(forward_pass.passes(str(load.model), rounds=9)) + "\n"
        yield overhead.lines(overhead.speeds(str(load.model), SHORT, LONG, rounds=3), SHORT, LONG)


def _start() -> Iterator[str]:
    yield startup.lines(startup.seconds(models.embedded(16), rounds=3))


def _images() -> Iterator[str]:
    with TemporaryDirectory() as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        yield from images.lines(Path(folder))


def _page() -> Iterator[str]:
    with TemporaryDirectory() as folder:
        yield page.lines(page.visits(Path(folder), rounds=3))


ALONE = {  # measurements that are no comparison of systems
    "--overhead": (_overhead, "the time of forward passes, and what streaming adds"),
    "--start": (_start, "the time until the page, and until the first token"),
    "--images": (_images, "the memory that large images take"),
    "--page": (_page, "what the page loads, and how it keeps up, in a browser"),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round, to see that it works")
    parser.add_argument("--full", action="store_true", help="all contestants, and what each speedup is worth")
    for name, (measure, words) in ALONE.items():
        parser.add_argument(name, action="store_const", const=measure, dest="measure", help=words)
    parser.add_argument(
        "--model",
        action="append",
        metavar="FOLDER",
        help=f"of a model, with --full; {RANDOM}: of 115M parameters",
    )
    parser.add_argument("--only", nargs="+", choices=NAMED, metavar="NAME", help="of these contestants, with --full")
    parser.add_argument("--visitors", type=int, nargs="+", default=[1, 8], metavar="N", help="at once, with --full")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="with --full")
    parser.add_argument("--json", type=Path, default=record.new(), metavar="FILE", help="where to write")
    return parser


if __name__ == "__main__":
    sys.exit(main())
