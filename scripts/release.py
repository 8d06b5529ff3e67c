"""Releases a version: `make release VERSION=0.2.0`, or with --notes prints what CHANGELOG.md says of one.

The version is set, CHANGELOG.md's Unreleased section becomes its own, and both are committed and tagged; nothing is
pushed. On the tag, the workflow `release` drafts the release on GitHub.
"""

from __future__ import annotations

import argparse
import datetime
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from git import Problem, git, run, version

CHANGELOG, PACKAGE = Path("CHANGELOG.md"), Path("streamspace/__init__.py")
UNRELEASED, NOTES = "## [Unreleased]\n", "### Upgrade notes\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 2 where there is nothing to print or the version can't be released."""
    parser = argparse.ArgumentParser(prog="make release", description=__doc__)
    parser.add_argument("version", metavar="VERSION", help="three numbers, such as 0.2.0")
    parser.add_argument("--notes", action="store_true", help="print the section of CHANGELOG.md of this version or tag")
    options = parser.parse_args(arguments)
    try:
        print(notes(options.version.removeprefix("v")) if options.notes else release(options.version))
    except Problem as problem:
        print(problem, file=sys.stderr)
        return 2
    return 0


def release(new: str) -> str:
    """Commits and tags the version; returns what was done and what is next. Raises Problem, with nothing changed."""
    if found := list(_problems(new)):
        raise Problem("\n".join([*found, "Nothing was changed."]))
    before, text, package = git("rev-parse", "HEAD"), CHANGELOG.read_text("utf-8"), PACKAGE.read_text("utf-8")
    heading = f"## [{new}] - {datetime.datetime.now(datetime.UTC):%Y-%m-%d}\n"
    CHANGELOG.write_text(text.replace(UNRELEASED, f"{UNRELEASED}\n{heading}", 1), "utf-8")
    PACKAGE.write_text(package.replace(f'"{version("HEAD")}"', f'"{new}"'), "utf-8")
    try:
        git("commit", "--quiet", "--all", "-m", f"Release {new}")
        git("tag", "--annotate", f"v{new}", "-m", f"Release {new}")
    except Problem as problem:
        git("reset", "--hard", "--quiet", before)  # all was committed before
        raise Problem(f"{problem}\nNothing was changed.") from None
    return (
        f"Released {new} here, as the tag v{new}. Look at it (git show), then: git push origin main v{new}\n"
        f"To undo it before: git tag -d v{new}; git reset --keep {before[:9]}"
    )


def notes(number: str) -> str:
    """What CHANGELOG.md says of a version. Raises Problem."""
    found = _section(rf"## \[{re.escape(number)}\][^\n]*\n")
    if not found:
        raise Problem(f"CHANGELOG.md: expected a section '## [{number}]' with entries, found none")
    return found


def _problems(new: str) -> Iterator[str]:
    """Why this version can't be released now, each with the next step."""
    old, branch, changes = version("HEAD"), git("branch", "--show-current"), _section(re.escape(UNRELEASED))
    if not re.fullmatch(r"\d+\.\d+\.\d+", new):
        yield f"VERSION: expected three numbers such as 0.2.0, got {new!r}. Run: make release VERSION=..."
    elif not run("rev-parse", "--verify", "--quiet", f"refs/tags/v{new}").returncode:
        yield f"VERSION: expected one without a tag, got {new!r}, which is tagged v{new}. Choose the next"
    elif _numbers(new) <= _numbers(old):
        yield f"VERSION: expected one newer than {old}, got {new!r}. CHANGELOG.md says what makes a change breaking"
    if branch != "main":
        yield f"expected the branch 'main', got {branch!r}. Run: git switch main"
    if git("status", "--porcelain"):
        yield "expected all files to be committed or ignored, got some that aren't. See: git status"
    if not changes:
        yield "CHANGELOG.md: expected entries under '## [Unreleased]', found none. Write what users will notice"
    if "**Breaking" in changes and NOTES not in changes:
        yield f"CHANGELOG.md: expected {NOTES.strip()!r} beside what is **Breaking**, found none. Write what to do"


def _section(heading: str) -> str:
    """The text under a heading of CHANGELOG.md, a pattern; empty where there is none."""
    match = re.search(rf"^{heading}(.*?)(?=^## |\Z)", CHANGELOG.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return match[1].strip() if match else ""


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(".")]


if __name__ == "__main__":
    sys.exit(main())
