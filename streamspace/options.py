"""The command line's options; what the commands do is `__main__`'s and `deploy`'s."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping
from typing import TypeAlias

import streamspace
from streamspace.errors import UsageError

Run: TypeAlias = Callable[[argparse.Namespace], int]
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

PAGE = re.compile(r"^https?://(?:www\.)?huggingface\.co/spaces/|/$")
UPPER = r"[A-Z][A-Z0-9_]*"  # anything else is not printed: it may be the value, passed by mistake


def space(text: str) -> str:
    """OWNER/NAME, also of the address of a Space's page. Raises UsageError."""
    name = PAGE.sub("", text.strip())
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise UsageError(f"expected a Space as OWNER/NAME, got {text!r}")
    return name


def secret(text: str) -> str:
    """NAME or NAME=VARIABLE. Raises UsageError."""
    if not re.fullmatch(rf"{UPPER}(={UPPER})?", text):
        raise UsageError("--secret: expected NAME or NAME=VARIABLE, an environment variable with the value")
    return text


def parser(run: Mapping[str, Run]) -> argparse.ArgumentParser:
    """The parser of all commands; `run` has the function of each."""
    prog = "streamspace" if sys.argv[0].endswith("streamspace") else "python -m streamspace"
    parsed = argparse.ArgumentParser(prog=prog, description="Check, deploy and maintain a streaming Space.")
    parsed.add_argument("--version", action="version", version=streamspace.__version__)
    commands = parsed.add_subparsers(required=True, metavar="COMMAND")
    checking = commands.add_parser("check", help="check the config files, the card and the files to upload")
    checking.add_argument("files", nargs="*", metavar="FILE", help="a path or a name in config/ (default: all of them)")
    checking.add_argument("--online", action="store_true", help="also ask the Hub about the model's access and size")
    checking.add_argument(
        "--build", action="store_true", help="also let pip resolve what the Hub would install (about 30 seconds)"
    )
    checking.add_argument("--json", action="store_true", help="print the findings as JSON")
    checking.set_defaults(run=run["check"])
    generating = commands.add_parser("generate", help="write the files that are generated from the config's types")
    generating.set_defaults(run=run["generate"])
    showing = commands.add_parser("card", help="print the Space card of a config")
    showing.add_argument("config", nargs="?", default="default", metavar="CONFIG", help="default: config/default.yaml")
    showing.add_argument("--write", action="store_true", help="write it into README.md instead")
    showing.set_defaults(run=run["card"])
    _add_new(commands, run["new"])
    _add_hub_commands(commands, run)
    return parsed


def _add_new(commands: Commands, run: Run) -> None:
    making = commands.add_parser("new", help="write a config for a model of the Hub, and check it")
    making.add_argument(
        "model", metavar="OWNER/MODEL", help="the model, also a LoRA adapter or a repository of GGUF files"
    )
    making.add_argument("--name", metavar="NAME", help="write config/NAME.yaml (default: the model's name)")
    making.add_argument(
        "--hardware", metavar="NAME", help="where it has to fit (default: ZeroGPU first, then the smallest)"
    )
    making.add_argument("--force", action="store_true", help="replace the file if there is one")
    making.add_argument("--deploy", type=space, metavar="OWNER/SPACE", help="deploy it to this Space afterwards")
    _add_secret(making.add_argument, "passed on to deploy")
    making.set_defaults(run=run)


def _add_hub_commands(commands: Commands, run: Mapping[str, Run]) -> None:
    helps = {
        "deploy": "deploy a config to a Space, wait until it runs, and verify that it replies",
        "status": "show what a Space runs",
        "logs": "print a Space's log",
        "rollback": "restore the previous version of a Space",
        "remove": "delete a Space permanently",
    }
    added = {name: commands.add_parser(name, help=text) for name, text in helps.items()}
    for name, command in added.items():
        command.add_argument("space", type=space, metavar="OWNER/NAME", help="the Space, or the address of its page")
        command.set_defaults(run=run[name])
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
    _add_secret(add, "set a secret to the value of the environment variable of that name, or of VARIABLE; repeatable")
    add("--replace-secrets", action="store_true", help="also set secrets that are already set")
    add("--variable", action="append", default=[], metavar="NAME=VALUE", help="set a public variable; repeatable")
    add("--tune", action="store_true", help="write the measured speed into the config, for the next deploy")
    add("--anyway", action="store_true", help="deploy although the checks found errors")
    add("--dry-run", action="store_true", help="print the plan without applying it")


def _add_secret(add: Callable[..., object], text: str) -> None:
    add("--secret", type=secret, action="append", default=[], metavar="NAME[=VARIABLE]", help=text)
