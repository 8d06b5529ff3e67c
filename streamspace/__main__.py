"""The command line: `python -m streamspace check [FILES]` and `python -m streamspace generate`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from streamspace import configfile, generated
from streamspace.errors import ConfigError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; 0 is well, 2 means that something has to be changed first."""
    options = _parser().parse_args(arguments)
    code: int = options.run(options)
    return code


def check(options: argparse.Namespace) -> int:
    """Prints every problem of the named config files (all of config/ without a name), and what is out of date."""
    problems: list[str] = []
    names = options.files or configfile.names()
    for name in names:
        try:
            configfile.read(configfile.locate(name))
        except ConfigError as error:
            problems += error.problems
    if not options.files:
        problems += generated.stale()
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        return 2
    print(f"{len(names)} config file{'s' if len(names) > 1 else ''}: no problems")
    return 0


def generate(_: argparse.Namespace) -> int:
    """Writes again what is made from the types: the JSON Schema and the README's table."""
    for path in generated.write():
        print(f"wrote {path}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m streamspace", description="Look after a streaming Space.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    checking = commands.add_parser("check", help="check config files; exit code 2 when there are problems")
    checking.add_argument("files", nargs="*", metavar="FILE", help="a path or a name in config/ (default: all of them)")
    checking.set_defaults(run=check)
    generating = commands.add_parser("generate", help="write config/schema.json and the README's table again")
    generating.set_defaults(run=generate)
    return parser


if __name__ == "__main__":
    sys.exit(main())
