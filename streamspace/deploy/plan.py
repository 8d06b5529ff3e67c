"""The plan of a deploy: what has to change so that the Space is what the config asks for. Pure; `apply` does it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from streamspace.deploy.state import Remote
from streamspace.errors import DeployError
from streamspace.hub.upload import File

KEPT = {".gitattributes"}  # the Hub writes it and keeps it: which files are large
LONG = 12  # files, above which the plan names folders
WITHOUT_SSR = "GRADIO_SSR_MODE"  # its proxy would hide the app's own routes


@dataclass(frozen=True)
class Wish:
    """What the command and the config ask for. `secrets` maps names to environment variables."""

    space: str
    config: str
    hardware: str
    private: bool = False
    secrets: Mapping[str, str] = field(default_factory=dict)
    replace_secrets: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """The steps. `parent` is the commit that the push builds on, so that nobody's change is overwritten unseen."""

    wish: Wish
    create: bool = False
    make_private: bool = False
    hardware: str | None = None
    secrets: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    put: tuple[File, ...] = ()
    delete: tuple[str, ...] = ()
    parent: str | None = None
    unchanged: int = 0
    remarks: tuple[str, ...] = ()

    @property
    def pushes(self) -> bool:
        """Whether there are files to commit."""
        return bool(self.put or self.delete)

    @property
    def empty(self) -> bool:
        """Whether the Space already is what was asked for."""
        settings = self.create or self.make_private or self.hardware or self.secrets or self.variables
        return not (settings or self.pushes)

    def lines(self) -> Iterator[str]:
        """The plan as it is printed: one line for each step."""
        if self.create:
            yield f"create {'private ' if self.wish.private else ''}Space {self.wish.space} on {self.wish.hardware}"
        if self.make_private:
            yield "make the Space private"
        if self.hardware:
            yield f"request hardware {self.hardware}"
        for name in self.secrets:
            yield f"set secret {name} (value from the environment)"
        for name, value in self.variables.items():
            yield f"set variable {name}={value}"
        yield from _uploads(self.put)
        for name in self.delete:
            yield f"delete {name}"
        if self.unchanged:
            yield f"keep {self.unchanged} unchanged file{'s' if self.unchanged > 1 else ''}"
        yield from self.remarks


def make(wish: Wish, files: Sequence[File], remote: Remote | None) -> Plan:
    """The steps from `remote` (None: no such Space yet) to `wish` with these files.

    Raises DeployError when the Space would go on to run another config.
    """
    if remote is None:
        return Plan(wish, create=True, secrets=wish.secrets, variables=dict(wish.variables), put=tuple(files))
    if remote.variables is None and remote.config not in (None, wish.config):
        raise DeployError(
            f"{wish.space} runs {remote.config}, and this token may not change that to {wish.config}. "
            "Do it once with a token of your own: run the same command on your computer, after hf auth login"
        )
    put = tuple(file for file in files if not _same(file, remote.files.get(file.path)))
    wanted = {file.path for file in files}
    return Plan(
        wish,
        make_private=wish.private and not remote.private,
        hardware=wish.hardware if remote.hardware not in (None, wish.hardware) else None,
        secrets=_secrets(wish, remote),
        variables=_variables(wish, remote),
        put=put,
        delete=tuple(sorted(set(remote.files) - wanted - KEPT)),
        parent=remote.sha,
        unchanged=len(files) - len(put),
        remarks=tuple(_remarks(wish, remote)),
    )


def _same(file: File, there: str | None) -> bool:
    """Regular files are known by git's name, of 40 digits, large ones by their sha256, of 64."""
    return there is not None and there == (file.git_oid if len(there) == 40 else file.sha256)


def _secrets(wish: Wish, remote: Remote) -> dict[str, str]:
    known = frozenset() if wish.replace_secrets or remote.secrets is None else remote.secrets
    return {name: source for name, source in wish.secrets.items() if name not in known}


def _variables(wish: Wish, remote: Remote) -> dict[str, str]:
    if remote.variables is None:
        return {}
    return {name: value for name, value in wish.variables.items() if remote.variables.get(name) != value}


def _remarks(wish: Wish, remote: Remote) -> Iterator[str]:
    if remote.variables is None:
        yield "leave the variables as they are: this token may not read them"
    kept = [name for name in wish.secrets if name not in _secrets(wish, remote)]
    if kept:
        yield f"keep secret {', '.join(kept)}, which is set (--replace-secrets sets it again)"


def _uploads(files: Sequence[File]) -> Iterator[str]:
    """A line for each file; where there are many, for each folder at the top."""
    groups: dict[str, list[int]] = {}
    for file in files:
        folder, slash, _ = file.path.partition("/")
        groups.setdefault(folder + slash if len(files) > LONG else file.path, []).append(file.size)
    for name, sizes in groups.items():
        count = f"{len(sizes)} files, " if name.endswith("/") else ""
        yield f"upload {name} ({count}{_size(sum(sizes))})"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB"
