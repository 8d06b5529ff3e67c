"""Runs git in the current folder; what is done with it, `upgrade` and `release` decide."""

from __future__ import annotations

import subprocess


class Problem(Exception):
    """Why the command can't do its work, with the next step."""


def git(*arguments: str, env: dict[str, str] | None = None) -> str:
    """What git prints. Raises Problem."""
    done = run(*arguments, env=env)
    if done.returncode:
        raise Problem(f"git {arguments[0]}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.rstrip("\n")


def run(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs git, whatever its exit code."""
    return subprocess.run(["git", *arguments], capture_output=True, text=True, env=env, check=False)


def version(commit: str) -> str:
    """The package's version in a commit. Raises Problem."""
    return git("show", f"{commit}:streamspace/__init__.py").partition('__version__ = "')[2].partition('"')[0]
