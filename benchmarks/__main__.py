"""The command line of the benchmarks: `make bench`, or `make bench ARGS=--full` for many visitors (minutes)."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tokenizers import Tokenizer

from benchmarks.measurements import forward_pass, overhead, startup
from benchmarks.measurements.serving import Row, rows
from benchmarks.report import table
from benchmarks.systems.processes import SERVER, Load, running
from tests.running import ROOT

TINY = "./models/tiny"
QUESTION = "Count to two hundred"
SHORT, LONG = 64, 512  # tokens of the replies by which the overhead is measured


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the chosen comparison, prints the table and says where the JSON is."""
    options = _parser().parse_args(arguments)
    if options.overhead:
        with shape() as model:
            print(forward_pass.lines(forward_pass.passes(model, rounds=9)), end="\n\n")
            print(overhead.lines(overhead.speeds(model, SHORT, LONG, rounds=3), SHORT, LONG))
        return 0
    if options.start:
        print(startup.lines(startup.seconds(Load(TINY, QUESTION, tokens=16), rounds=3)))
        return 0
    if options.full:
        measured = crowds(options.visitors, options.rounds)
    else:
        measured = embedded(tokens=64, rounds=1) if options.quick else embedded(tokens=256, rounds=5)
    print(table.markdown(measured))
    print(f"\nWritten to {table.save(measured, options.json)}")
    return 0


def embedded(tokens: int, rounds: int) -> list[Row]:
    """One visitor, the embedded model: the plain app, and this one with either engine."""
    tokenizer = Tokenizer.from_file(str(ROOT / TINY / "tokenizer.json"))
    load = Load(TINY, QUESTION, tokens)
    with running(["naive", "generate", "batching"], load, at_once=4) as contestants:
        return rows(contestants, load, [1], rounds, lambda text: len(tokenizer.encode(text, add_special_tokens=False)))


def crowds(visitors: Sequence[int], rounds: int) -> list[Row]:
    """Many visitors at once, a random model of a usual size that never ends a reply: every engine."""
    with shape() as model:
        load = Load(model, QUESTION, tokens=32)
        names = ["naive", "generate", "batching", "batching int8", SERVER]
        with running(names, load, at_once=max(visitors)) as contestants:
            return rows(contestants, load, visitors, rounds, lambda _: load.tokens)


@contextmanager
def shape() -> Iterator[str]:
    """The folder of a random model, for as long as the context lasts."""
    with TemporaryDirectory() as folder:
        call = f"random_model.build({folder!r}, {str(ROOT / TINY)!r})"
        build = [sys.executable, "-c", f"from benchmarks.systems import random_model; {call}"]
        subprocess.run(build, check=True, cwd=ROOT)  # not here: torch reads the environment when it is imported
        yield folder


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round, to see that it works")
    parser.add_argument("--full", action="store_true", help="all engines, a 115M model, many visitors; takes minutes")
    parser.add_argument("--overhead", action="store_true", help="how long passes take, and what streaming adds")
    parser.add_argument("--start", action="store_true", help="how long until the page, and until the first words")
    parser.add_argument("--visitors", type=int, nargs="+", default=[1, 4, 8, 16, 32], metavar="N", help="with --full")
    parser.add_argument("--rounds", type=int, default=2, metavar="N", help="with --full")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the figures go (default: benchmarks/results/)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
