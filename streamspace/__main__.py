"""The command line, as `streamspace` and as `python -m streamspace`; `--help` lists the commands."""

from __future__ import annotations

import signal

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
    # Importing takes seconds, in which Ctrl-C would print a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse
import contextlib
import functools
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TextIO

from streamspace import options, repository
from streamspace.checks import findings, offline, packages
from streamspace.checks.findings import Finding, Severity
from streamspace.config import file as configfile
from streamspace.config import generated, secrets
from streamspace.errors import ConfigError, StreamspaceError, UsageError
from streamspace.foreign import clean_lines
from streamspace.hub import card


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command. Exit codes: 0 success, 1 the Hub or the Space failed, 2 a usage error or failed checks.

    130 and 141 are those of a shell for an interrupt and for a reader who has gone.
    """
    try:
        parsed = options.parser(RUN).parse_args(arguments)
        repository.require()
        secrets.check(set())
        code: int = parsed.run(parsed)
    except (ConfigError, UsageError) as error:
        say(error, sys.stderr)
        return 2
    except StreamspaceError as error:
        say(error, sys.stderr)
        return 1
    except BrokenPipeError:  # whoever reads the output has enough of it, as head does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        print("\nInterrupted. Run the same command again to continue", file=sys.stderr)
        return 130
    return code


def say(text: object, file: TextIO | None = None) -> None:
    """Prints lines, each cleaned: the Hub's words, a log's and a file's names may be in them.

    A deploy's progress is read while it runs, also through a pipe.
    """
    print(clean_lines(text), file=file, flush=True)


def check(asked: argparse.Namespace) -> int:
    """Prints every finding about the named config files (all of config/ without a name), and what is out of date."""
    names = asked.files or configfile.names()
    found = [finding for name in names for finding in _about(name, asked.online, "error" if asked.files else "warning")]
    if asked.build:
        found += packages.resolved(_hardware(names))
    if not asked.files:
        found += [Finding("error", *problem.split(": ", 1)) for problem in generated.stale()]
        found += [Finding("warning", *problem.split(": ", 1)) for problem in generated.incomplete()]
    found = list(dict.fromkeys(found))
    bad = findings.errors(found)
    if asked.json:
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


def show_card(asked: argparse.Namespace) -> int:
    """Prints the card of a config, or writes it into README.md."""
    text = card.render(configfile.read(configfile.locate(asked.config)))
    if not asked.write:
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


def new(asked: argparse.Namespace) -> int:
    """Writes a config for a model, checks it with the Hub, and deploys it if asked to."""
    from streamspace.new import command  # the Hub's client is imported only where it is needed

    path = command.new(asked, say)
    if asked.deploy:  # which checks it first
        command_line = ["deploy", asked.deploy, "--config", path.stem, *(f"--secret={each}" for each in asked.secret)]
        say(f"next: python -m streamspace {' '.join(command_line)}")
        return main(command_line)
    found = _about(str(path), True, "error")
    for finding in (each for each in found if each.severity != "note"):
        say(finding, sys.stderr if finding.severity == "error" else None)
    if findings.errors(found):
        return 2
    needs = " --secret HF_TOKEN" if any("secret HF_TOKEN" in each.problem for each in found) else ""
    deploying = f"python -m streamspace deploy OWNER/NAME --config {path.stem}{needs}"
    say(f"next: make run CONFIG=config/{path.name}, or {deploying}")
    return 0


def _on_the_hub(name: str, asked: argparse.Namespace) -> int:
    from streamspace.deploy import commands, summary

    run = {
        "deploy": commands.deploy,
        "status": commands.status,
        "logs": commands.logs,
        "rollback": commands.go_back,
        "remove": commands.remove,
    }
    with summary.recorded(say, f"{name} {asked.space}", os.environ.get(summary.VARIABLE)) as both:
        return run[name](asked, both)


RUN: dict[str, options.Run] = {"check": check, "generate": generate, "card": show_card, "new": new}
RUN |= {name: functools.partial(_on_the_hub, name) for name in ("deploy", "status", "logs", "rollback", "remove")}

if __name__ == "__main__":
    if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # `main` says what to do next
    sys.exit(main())
