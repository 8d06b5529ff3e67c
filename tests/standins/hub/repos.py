"""The stand-in's memory: accounts, and repositories with their commits, files and settings."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatch

LARGE = (".safetensors", ".bin", ".gguf")
LARGE_FROM = 10_000_000  # bytes


@dataclass(frozen=True)
class Account:
    """Whoever holds a token. `scope`: the one repository a Trusted Publisher's token may push to."""

    name: str
    role: str = "write"
    plan: str = "pro"
    scope: str | None = None


@dataclass(frozen=True)
class Blob:
    """A file's content, whether it is kept as a large file, and its size where the content is only part of it."""

    content: bytes
    large: bool
    declared: int | None = None

    @property
    def size(self) -> int:
        return len(self.content) if self.declared is None else self.declared

    @property
    def git_oid(self) -> str:
        return hashlib.sha1(b"blob %d\0" % len(self.content) + self.content).hexdigest()

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    def entry(self, path: str) -> dict[str, object]:
        """As the tree endpoint describes it."""
        found: dict[str, object] = {"type": "file", "path": path, "size": self.size, "oid": self.git_oid}
        if self.large:
            found["lfs"] = {"oid": self.sha256, "size": self.size, "pointerSize": 134}
        return found


@dataclass(frozen=True)
class Commit:
    """One state of all files."""

    sha: str
    title: str
    message: str
    files: dict[str, Blob]
    date: str

    def describe(self) -> dict[str, object]:
        """As the commits endpoint lists it."""
        authors = [{"user": "someone", "avatar": ""}]
        return {"id": self.sha, "title": self.title, "message": self.message, "date": self.date, "authors": authors}


@dataclass
class Repo:
    """A model or a Space, with its history, oldest first."""

    kind: str
    name: str
    private: bool = False
    readers: tuple[str, ...] | None = None  # of a gated repository
    commits: list[Commit] = field(default_factory=list)
    branches: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    hardware: str = "cpu-basic"
    protected: bool = False
    sleep: int | None = None  # seconds
    replicas: int = 1
    described: dict[str, object] = field(default_factory=dict)  # what the Hub says of a model beside its files

    @property
    def head(self) -> Commit:
        return self.commits[-1]

    def at(self, revision: str) -> Commit | None:
        """The commit that a branch or (a beginning of) a sha names."""
        wanted = self.head.sha if revision == "main" else self.branches.get(revision, revision)
        return next((commit for commit in reversed(self.commits) if commit.sha.startswith(wanted)), None)

    def commit(self, files: dict[str, Blob], title: str, message: str = "") -> Commit:
        """A new head with exactly these files."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        names = "".join(f"{path}{blob.sha256}" for path, blob in sorted(files.items()))
        sha = hashlib.sha1(f"{len(self.commits)}{self.name}{title}{names}{now}".encode()).hexdigest()
        self.commits.append(Commit(sha, title, message, dict(files), now))
        return self.head


def blob(path: str, content: bytes) -> Blob:
    """A file as the Hub would keep it."""
    return Blob(content, is_large(path, len(content)))


def ignores(gitignore: str, path: str) -> bool:
    """Whether a .gitignore leaves a path out of an upload; of its syntax only names and wildcards are read."""
    parts = path.split("/")
    names = [*parts, *("/".join(parts[: count + 1]) for count in range(len(parts)))]
    patterns = [line.strip().strip("/") for line in gitignore.splitlines() if not line.startswith("#")]
    return any(fnmatch(name, pattern) for pattern in patterns if pattern for name in names)


def is_large(path: str, size: int) -> bool:
    """Whether the Hub keeps a file as a large one: by its ending, as .gitattributes says, or by its size in bytes."""
    return bool(size) and (path.endswith(LARGE) or size > LARGE_FROM)
