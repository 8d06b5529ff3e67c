"""The command line: `python -m streamspace check`, `deploy` and the others; `--help` lists them."""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import sys
from collections.abc import Iterator, Sequence

from streamspace.checks import findings, offline, together
from streamspace.checks.findings import Finding
from streamspace.config import file as configfile
from streamspace.config import generated
from streamspace.errors import ConfigError, StreamspaceError
from streamspace.hub import card

say = functools.partial(print, flush=True)  # a deploy's progress is read while it runs, also through a pipe


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; 0 is well, 1 means that the Hub or the Space failed, 2 that something has to be changed."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except StreamspaceError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. What is done is done; the same command again goes on from there", file=sys.stderr)
        return 130
    return code


def check(options: argparse.Namespace) -> int:
    """Prints every finding about the named config files (all of config/ without a name), and what is out of date."""
    names = options.files or configfile.names()
    found = [finding for name in names for finding in _about(name, options.online)]
    if options.build:
        found += together.resolved(_hardware(names))
    if not options.files:
        found += [Finding("error", *problem.split(": ", 1)) for problem in generated.stale()]
    found = list(dict.fromkeys(found))
    bad = findings.errors(found)
    if options.json:
        print(findings.as_json(found))
        return 2 if bad else 0
    for finding in found:
        print(finding, file=sys.stderr if finding.severity == "error" else sys.stdout)
    if not bad:
        print(f"{len(names)} config file{'s' if len(names) > 1 else ''}: no problems")
    return 2 if bad else 0


def generate(_: argparse.Namespace) -> int:
    """Writes the files that are generated from the config's types."""
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


def _about(name: str, online: bool) -> list[Finding]:
    try:
        path = configfile.locate(name)
        config = configfile.read(path)
    except ConfigError as error:
        return [Finding("error", *problem.split(": ", 1)) for problem in error.problems]
    found = offline.findings(config, path)
    if path.name == "default.yaml":
        found += offline.committed_card(config)
    if online:
        from streamspace.checks.online import findings as asked  # the Hub's client is imported only here

        found += asked(config, path)
    return found


def _hardware(names: Sequence[str]) -> Iterator[str]:
    """What the configs ask for that can be read."""
    for name in names:
        with contextlib.suppress(ConfigError):  # which `_about` tells
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
    parser = argparse.ArgumentParser(prog="python -m streamspace", description="Look after a streaming Space.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    checking = commands.add_parser("check", help="check config files, the card and the upload; exit code 2: problems")
    checking.add_argument("files", nargs="*", metavar="FILE", help="a path or a name in config/ (default: all of them)")
    checking.add_argument("--online", action="store_true", help="ask the Hub about the model, its size and its access")
    checking.add_argument(
        "--build", action="store_true", help="let pip resolve what the Hub would install (half a minute)"
    )
    checking.add_argument("--json", action="store_true", help="print the findings as JSON")
    checking.set_defaults(run=check)
    generating = commands.add_parser("generate", help="write config/schema.json and the table in docs/configuration.md")
    generating.set_defaults(run=generate)
    showing = commands.add_parser("card", help="print the Space card of a config")
    showing.add_argument("config", nargs="?", default="default", metavar="CONFIG", help="default: config/default.yaml")
    showing.add_argument("--write", action="store_true", help="put it into README.md")
    showing.set_defaults(run=show_card)
    _add_hub_commands(commands)
    return parser


def _add_hub_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    helps = {
        "deploy": "put a config's app on a Space, wait until it runs, and stream a reply from it",
        "status": "say what runs on a Space",
        "logs": "print a Space's log",
        "rollback": "put the version before back on a Space",
        "remove": "delete a Space for good",
    }
    added = {name: commands.add_parser(name, help=text) for name, text in helps.items()}
    for name, command in added.items():
        command.add_argument("space", metavar="OWNER/NAME", help="the Space")
        command.set_defaults(run=functools.partial(_on_the_hub, name))
    for name in ("deploy", "rollback"):
        added[name].add_argument("--timeout", type=float, default=1800, metavar="SECONDS", help="longest wait, 1800")
    deploying = added["deploy"]
    deploying.add_argument("--config", metavar="CONFIG", help="a path or a name in config/ (default: as SPACE_CONFIG)")
    deploying.add_argument("--hardware", metavar="NAME", help="instead of the config's card.hardware")
    deploying.add_argument("--private", action="store_true", help="only you, or your organization, see the Space")
    deploying.add_argument(
        "--secret",
        action="append",
        default=[],
        metavar="NAME[=VARIABLE]",
        help="takes the value from the environment variable",
    )
    deploying.add_argument("--replace-secrets", action="store_true", help="set secrets that are set already as well")
    deploying.add_argument("--variable", action="append", default=[], metavar="NAME=VALUE", help="public, not secret")
    deploying.add_argument("--dry-run", action="store_true", help="print the plan, and do nothing")
    added["logs"].add_argument("--build", action="store_true", help="the build's log instead of the app's")
    added["logs"].add_argument("--follow", action="store_true", help="go on until interrupted")
    added["remove"].add_argument("--confirm", metavar="OWNER/NAME", required=True, help="the Space once more")
    added["rollback"].add_argument("--to", metavar="SHA", help="a certain commit (see: status)")


if __name__ == "__main__":
    sys.exit(main())
