"""The command line, as `streamspace` and as `python -m streamspace`; `--help` lists the commands."""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO

import streamspace
from streamspace import repository
from streamspace.checks import findings, offline, packages
from streamspace.checks.findings import Finding, Severity
from streamspace.config import file as configfile
from streamspace.config import generated, secrets
from streamspace.errors import ConfigError, StreamspaceError, UsageError
from streamspace.foreign import clean_lines
from streamspace.hub import card


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command. Exit codes: 0 success, 1 the Hub or the Space failed, 2 a usage error or failed checks."""
    options = _parser().parse_args(arguments)
    try:
        repository.require()
        secrets.check(set())
        code: int = options.run(options)
    except (ConfigError, UsageError) as error:
        say(error, sys.stderr)
        return 2
    except StreamspaceError as error:
        say(error, sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. Run the same command again to continue", file=sys.stderr)
        return 130
    return code


def say(text: object, file: TextIO | None = None) -> None:
    """Prints lines, each cleaned: the Hub's words, a log's and a file's names may be in them.

    A deploy's progress is read while it runs, also through a pipe.
    """
    print(clean_lines(text), file=file, flush=True)


def check(options: argparse.Namespace) -> int:
    """Prints every finding about the named config files (all of config/ without a name), and what is out of date."""
    names = options.files or configfile.names()
    found = [
        finding for name in names for finding in _about(name, options.online, "error" if options.files else "warning")
    ]
    if options.build:
        found += packages.resolved(_hardware(names))
    if not options.files:
        found += [Finding("error", *problem.split(": ", 1)) for problem in generated.stale()]
        found += [Finding("warning", *problem.split(": ", 1)) for problem in generated.incomplete()]
    found = list(dict.fromkeys(found))
    bad = findings.errors(found)
    if options.json:
        print(findings.as_json(found))
        return 2 if bad else 0
    for finding in found:
        say(finding, sys.stderr if finding.severity == "error" else None)
    if not bad:
        print(f"{len(names)} config file{'s' if len(names) > 1 else ''}: no problems")
    return 2 if bad else 0


def generate(_: argparse.Namespace) -> int:
    """Writes the files that are generated from the config's types, and the keys that files in config/ lack."""
    for path in generated.write():
        print(f"wrote {path}")
    return 0


def show_card(options: argparse.Namespace) -> int:
    """Prints the card of a config, or writes it into README.md."""
    text = card.render(configfile.read(configfile.locate(options.config)))
    if not options.write:
        print(text, end="")
        return 0
    readme = card.README.read_text("utf-8") if card.README.is_file() else ""
    card.README.write_text(card.put(readme, text), "utf-8")
    print("wrote README.md's front matter")
    return 0


def _about(name: str, online: bool, lacking: Severity) -> list[Finding]:
    try:
        path = configfile.locate(name)
        config = configfile.read(path)
    except ConfigError as error:
        return [Finding("error", *problem.split(": ", 1)) for problem in error.problems]
    found = offline.findings(config, path, lacking=lacking)
    if path.name == "default.yaml":
        found += offline.committed_card(config)
    if online:
        from streamspace.checks.online import findings as asked  # the Hub's client is imported only here

        found += asked(config, path)
    return found


def _hardware(names: Sequence[str]) -> Iterator[str]:
    """The hardware of the configs that can be read; `_about` reports the others."""
    for name in names:
        with contextlib.suppress(ConfigError):
            yield configfile.read(configfile.locate(name)).card.hardware


def _on_the_hub(name: str, options: argparse.Namespace) -> int:
    from streamspace.deploy import commands, summary  # the Hub's client is imported only where it is needed

    run = {
        "deploy": commands.deploy,
        "status": commands.status,
        "logs": commands.logs,
        "rollback": commands.go_back,
        "remove": commands.remove,
    }
    with summary.recorded(say, f"{name} {options.space}", os.environ.get(summary.VARIABLE)) as both:
        return run[name](options, both)


def _parser() -> argparse.ArgumentParser:
    prog = "streamspace" if sys.argv[0].endswith("streamspace") else "python -m streamspace"
    parser = argparse.ArgumentParser(prog=prog, description="Check, deploy and maintain a streaming Space.")
    parser.add_argument("--version", action="version", version=streamspace.__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    checking = commands.add_parser("check", help="check the config files, the card and the files to upload")
    checking.add_argument("files", nargs="*", metavar="FILE", help="a path or a name in config/ (default: all of them)")
    checking.add_argument("--online", action="store_true", help="also ask the Hub about the model's access and size")
    checking.add_argument(
        "--build", action="store_true", help="also let pip resolve what the Hub would install (about 30 seconds)"
    )
    checking.add_argument("--json", action="store_true", help="print the findings as JSON")
    checking.set_defaults(run=check)
    generating = commands.add_parser("generate", help="write the files that are generated from the config's types")
    generating.set_defaults(run=generate)
    showing = commands.add_parser("card", help="print the Space card of a config")
    showing.add_argument("config", nargs="?", default="default", metavar="CONFIG", help="default: config/default.yaml")
    showing.add_argument("--write", action="store_true", help="write it into README.md instead")
    showing.set_defaults(run=show_card)
    _add_hub_commands(commands)
    return parser


def _add_hub_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    helps = {
        "deploy": "deploy a config to a Space, wait until it runs, and verify that it replies",
        "status": "show what a Space runs",
        "logs": "print a Space's log",
        "rollback": "restore the previous version of a Space",
        "remove": "delete a Space permanently",
    }
    added = {name: commands.add_parser(name, help=text) for name, text in helps.items()}
    for name, command in added.items():
        command.add_argument("space", metavar="OWNER/NAME", help="the Space")
        command.set_defaults(run=functools.partial(_on_the_hub, name))
    for name in ("deploy", "rollback"):
        added[name].add_argument(
            "--timeout",
            type=float,
            default=1800,
            metavar="SECONDS",
            help="how long to wait (default: 1800)",
        )
    _add_deploy_options(added["deploy"].add_argument)
    added["logs"].add_argument("--build", action="store_true", help="the build log instead of the app's log")
    added["logs"].add_argument("--follow", action="store_true", help="print new lines until interrupted")
    added["remove"].add_argument("--confirm", metavar="OWNER/NAME", required=True, help="the Space's name again")
    added["rollback"].add_argument("--to", metavar="SHA", help="the commit to restore (`status` lists the latest)")


def _add_deploy_options(add: Callable[..., object]) -> None:
    add("--config", metavar="CONFIG", help="a path or a name in config/ (default: $SPACE_CONFIG, else default)")
    add("--hardware", metavar="NAME", help="override the config's card.hardware")
    add("--private", action="store_true", help="make the Space private")
    secret = "set a secret to the value of the environment variable of that name, or of VARIABLE; repeatable"  # noqa: S105
    add("--secret", action="append", default=[], metavar="NAME[=VARIABLE]", help=secret)
    add("--replace-secrets", action="store_true", help="also set secrets that are already set")
    add("--variable", action="append", default=[], metavar="NAME=VALUE", help="set a public variable; repeatable")
    add("--dry-run", action="store_true", help="print the plan without applying it")


if __name__ == "__main__":
    sys.exit(main())
