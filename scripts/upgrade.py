"""Brings a fork up to the template's newest version: `make upgrade`, which merges UPSTREAM of the Makefile.

A copy without the template's history (GitHub's "Use this template") is merged from the tag of its version. What a fork
owns keeps the fork's content. Nothing is changed where a file can't be merged.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from git import Problem, git, run, version

# The fork's own: what upstream changes in these files is left out once the fork has changed them, too.
OWNED = ("config/*.yaml", "examples/*.yaml", "models/*", "README.md", "LICENSE")
FETCHED = "refs/streamspace/upstream"


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 2 where the fork could not be upgraded."""
    options = _parser().parse_args(arguments)
    try:
        print(upgrade(options.upstream, options.ours, options.theirs))
    except Problem as problem:
        print(problem, file=sys.stderr)
        return 2
    return 0


def upgrade(upstream: str, ours: Sequence[str] = (), theirs: Sequence[str] = ()) -> str:
    """Merges upstream's main branch into this one; returns what was done. Raises Problem."""
    if git("status", "--porcelain", "--untracked-files=no"):
        raise Problem("Expected all changes to be committed, got some that aren't (git status). Commit them first")
    fetched = run("fetch", "--quiet", "--tags", upstream, f"+HEAD:{FETCHED}")
    if fetched.returncode:
        raise Problem(f"{upstream}: expected a git repository, got: {fetched.stderr.strip()}. Set UPSTREAM=URL")
    if not run("merge-base", "--is-ancestor", FETCHED, "HEAD").returncode:
        return "This is the newest version already"
    before, base = git("rev-parse", "HEAD"), _base()
    mine = git("commit-tree", "HEAD^{tree}", "-p", base, "-m", "this fork")  # so that git merges from the base
    merged = run("merge-tree", "--write-tree", "--name-only", "-z", "--no-messages", mine, FETCHED)
    if merged.returncode > 1:
        raise Problem(f"git could not merge: {merged.stderr.strip()}. `make upgrade` needs git 2.38 or newer")
    tree, *conflicts = merged.stdout.rstrip("\0").split("\0")
    kept = {path: "HEAD" for path in _changed(base, "HEAD") if _matches(path, OWNED)}
    kept |= dict.fromkeys(ours, "HEAD") | dict.fromkeys(theirs, FETCHED)
    if left := sorted({*conflicts} - {*kept}):
        raise Problem("\n".join([*(_explained(path, base) for path in left), "Nothing was changed."]))
    commit = git("commit-tree", _with(tree, kept), "-p", "HEAD", "-p", FETCHED, "-m", f"Upgrade to {version(FETCHED)}")
    git("merge", "--ff-only", "--quiet", commit)
    both = sorted(kept.keys() & _changed(base, FETCHED))
    return "\n".join([
        *(f"{path}: kept as it is here; upstream's changes: git diff {base[:9]} {FETCHED} -- {path}" for path in both),
        f"Upgraded from {version(base)} to {version('HEAD')}. CHANGELOG.md says what to change in a config. "
        f"To go back: git reset --keep {before[:9]}",
    ])  # fmt: skip


def _base() -> str:
    """The version of upstream that this fork was made of. Raises Problem."""
    found = run("merge-base", "HEAD", FETCHED)
    tag = f"v{version('HEAD')}"
    if found.returncode and (found := run("rev-parse", "--verify", "--quiet", f"{tag}^{{commit}}")).returncode:
        raise Problem(f"Expected a history in common with upstream, or its tag {tag}, got neither. Set UPSTREAM=URL")
    return found.stdout.strip()


def _with(tree: str, kept: dict[str, str]) -> str:
    """The tree with these files as they are in another commit, or without them where it has none."""
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "GIT_INDEX_FILE": str(Path(folder) / "index")}
        git("read-tree", tree, env=env)
        for path, commit in kept.items():
            entry = git("ls-tree", commit, "--", path)
            if entry:
                mode, _, name = entry.split("\t")[0].split()
                git("update-index", "--add", "--cacheinfo", f"{mode},{name},{path}", env=env)
            else:
                git("update-index", "--force-remove", path, env=env)
        return git("write-tree", env=env)


def _explained(path: str, base: str) -> str:
    here, there = (git("log", "-1", "--format=%h %s", f"{base}..{end}", "--", path) for end in ("HEAD", FETCHED))
    return (
        f"{path}: changed here ({here or 'in this copy'}) and upstream ({there}), and git can't merge the two. "
        f'Choose with make upgrade ARGS="--ours {path}" or --theirs; to have both, merge {FETCHED} by hand'
    )


def _changed(base: str, commit: str) -> set[str]:
    return {path for path in git("diff", "--name-only", "--no-renames", "-z", base, commit).split("\0") if path}


def _matches(path: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatch(path, pattern) for pattern in patterns)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make upgrade", description=__doc__)
    parser.add_argument("upstream", help="the template's git repository")
    parser.add_argument("--ours", nargs="+", default=[], metavar="FILE", help="keep these files as they are here")
    parser.add_argument("--theirs", nargs="+", default=[], metavar="FILE", help="take these files from upstream")
    return parser


if __name__ == "__main__":
    sys.exit(main())
