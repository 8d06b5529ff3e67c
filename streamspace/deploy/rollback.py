"""Restores an earlier revision's files in a new commit; history is never rewritten."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from streamspace.deploy import watch
from streamspace.deploy.hub import Space
from streamspace.deploy.state import Commit
from streamspace.errors import DeployError, UsageError

TITLE = "Go back to {sha}"


def go_back(space: Space, to: str, head: str, reason: str, say: Callable[[str], None], timeout: float) -> str:
    """Commits the files of `to` on top of `head`, waits until it runs, and returns its sha. Raises DeployError."""
    config = next((commit.config for commit in space.commits() if commit.sha == to), None)
    message = f"{reason}\nSPACE_CONFIG={config}" if config else reason
    sha = space.restore(to, head, TITLE.format(sha=to[:7]), message)
    watch.until_live(space, sha, say, timeout)
    return sha


def previous(commits: Sequence[Commit]) -> str:
    """The version before the current one, from the history, newest first: two rollbacks go back two versions.

    Raises DeployError if there is none.
    """
    current = _origin(0, commits)
    if current + 1 >= len(commits):
        raise DeployError("There is no earlier version to go back to")
    return commits[_origin(current + 1, commits)].sha


def find(commits: Sequence[Commit], sha: str) -> Commit:
    """The commit whose sha starts with `sha`. Raises UsageError."""
    found = [commit for commit in commits if commit.sha.startswith(sha)]
    if len(found) != 1:
        known = ", ".join(commit.sha[:7] for commit in commits[:5])
        raise UsageError(f"--to: expected a commit of the Space, got {sha!r}. The latest are {known}")
    return found[0]


def _origin(index: int, commits: Sequence[Commit]) -> int:
    """The commit whose files are those at `index`: itself, or the one that it restored."""
    match = re.fullmatch(TITLE.format(sha="([0-9a-f]{7})"), commits[index].title)
    for later in range(index + 1, len(commits)) if match else ():
        if match and commits[later].sha.startswith(match[1]):
            return _origin(later, commits)
    return index
