"""Computes the plan of a deploy: the changes from the Space's state to the config's. `apply` executes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from streamspace.checks.platform import FREE
from streamspace.deploy.state import Remote
from streamspace.errors import DeployError
from streamspace.hub.upload import File

KEPT = {".gitattributes"}  # written and maintained by the Hub: the list of LFS files
AWAKE = -1  # the Hub's word for a Space that never sleeps
LONG = 12  # more files than this are listed by folder
WITHOUT_SSR = "GRADIO_SSR_MODE"  # server-side rendering puts a proxy before the app's routes


@dataclass(frozen=True)
class DesiredState:
    """The state that the command and the config ask for. `secrets` maps names to environment variables.

    `visibility` and `replicas` are None where they are to stay; `sleep` is in seconds, None for never.
    """

    space: str
    config: str
    hardware: str
    visibility: str | None = None
    sleep: int | None = None
    replicas: int | None = None
    secrets: Mapping[str, str] = field(default_factory=dict)
    replace_secrets: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """The steps. `parent` is the commit that the push must follow, to detect concurrent changes."""

    desired: DesiredState
    create: bool = False
    visibility: str | None = None
    hardware: str | None = None
    sleep: int | None = None
    replicas: int | None = None
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
        """Whether the Space is already up to date."""
        settings = self.create or self.visibility or self.hardware or self.sleep or self.replicas
        return not (settings or self.secrets or self.variables or self.pushes)

    def lines(self) -> Iterator[str]:
        """The plan as it is printed: one line for each step."""
        if self.create:
            visible = f"{self.desired.visibility} " if self.desired.visibility else ""
            yield f"create {visible}Space {self.desired.space} on {self.desired.hardware}"
        if self.visibility:
            yield f"make the Space {self.visibility}"
        if self.hardware:
            yield f"request hardware {self.hardware}"
        if self.sleep:
            yield f"let it sleep after {self.sleep // 60} minutes" if self.sleep > 0 else "let it never sleep"
        if self.replicas:
            yield f"run {self.replicas} {'copies' if self.replicas > 1 else 'copy'} of it"
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


def make(desired: DesiredState, files: Sequence[File], remote: Remote | None) -> Plan:
    """The plan from `remote` (None: no such Space yet) to `desired` with these files.

    Raises DeployError if the Space would still run another config.
    """
    if remote is None:
        sleep, replicas = (None, None) if desired.hardware in FREE else (desired.sleep, desired.replicas)
        return Plan(
            desired, create=True, sleep=sleep, replicas=replicas, secrets=desired.secrets,
            variables=dict(desired.variables), put=tuple(files),
        )  # fmt: skip
    if remote.variables is None and remote.config not in (None, desired.config):
        raise DeployError(
            f"{desired.space} runs {remote.config}, and this token may not change that to {desired.config}. "
            "Do it once with a token of your own: run the same command on your computer, after hf auth login"
        )
    put = tuple(file for file in files if not _same(file, remote.files.get(file.path)))
    wanted = {file.path for file in files}
    return Plan(
        desired,
        visibility=desired.visibility if desired.visibility != remote.visibility else None,
        hardware=desired.hardware if remote.hardware not in (None, desired.hardware) else None,
        sleep=_sleep(desired, remote),
        replicas=_replicas(desired, remote),
        secrets=_secrets(desired, remote),
        variables=_variables(desired, remote),
        put=put,
        delete=tuple(sorted(set(remote.files) - wanted - KEPT)),
        parent=remote.sha,
        unchanged=len(files) - len(put),
        remarks=tuple(_remarks(desired, remote)),
    )


def _same(file: File, there: str | None) -> bool:
    """Compares by git object id (40 digits) for regular files, and by SHA-256 (64 digits) for LFS files."""
    return there is not None and there == (file.git_oid if len(there) == 40 else file.sha256)


def _sleep(desired: DesiredState, remote: Remote) -> int | None:
    """Seconds to set, AWAKE to end a time that was set before; free hardware sleeps by the Hub's own rule."""
    if remote.hardware is None or desired.hardware in FREE or desired.sleep == remote.sleep:
        return None
    return desired.sleep or (AWAKE if (remote.sleep or AWAKE) > 0 else None)


def _replicas(desired: DesiredState, remote: Remote) -> int | None:
    """How many copies to ask for; free hardware has one."""
    paid = remote.hardware is not None and desired.hardware not in FREE
    return desired.replicas if paid and desired.replicas != (remote.replicas or 1) else None


def _secrets(desired: DesiredState, remote: Remote) -> dict[str, str]:
    known = frozenset() if desired.replace_secrets or remote.secrets is None else remote.secrets
    return {name: source for name, source in desired.secrets.items() if name not in known}


def _variables(desired: DesiredState, remote: Remote) -> dict[str, str]:
    if remote.variables is None:
        return {}
    return {name: value for name, value in desired.variables.items() if remote.variables.get(name) != value}


def _remarks(desired: DesiredState, remote: Remote) -> Iterator[str]:
    if remote.variables is None:
        yield "leave the variables as they are: this token may not read them"
    kept = [name for name in desired.secrets if name not in _secrets(desired, remote)]
    if kept:
        yield f"keep secret {', '.join(kept)}, which is set (--replace-secrets sets it again)"


def _uploads(files: Sequence[File]) -> Iterator[str]:
    """One line per file, or per top-level folder if there are many files."""
    groups: dict[str, list[int]] = {}
    for file in files:
        folder, slash, _ = file.path.partition("/")
        groups.setdefault(folder + slash if len(files) > LONG else file.path, []).append(file.size)
    for name, sizes in groups.items():
        count = f"{len(sizes)} files, " if name.endswith("/") else ""
        yield f"upload {name} ({count}{_size(sum(sizes))})"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB"
