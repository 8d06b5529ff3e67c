"""Executes a plan, verifies that the Space replies, and restores the previous state if it does not."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from streamspace.config import secrets
from streamspace.config.types import Config
from streamspace.deploy import smoke, watch
from streamspace.deploy.excerpt import relevant
from streamspace.deploy.hub import Space
from streamspace.deploy.plan import AWAKE, DesiredState, Plan
from streamspace.deploy.rollback import go_back
from streamspace.deploy.state import Remote
from streamspace.errors import DeployError, UsageError

Say = Callable[[str], None]


@dataclass(frozen=True)
class Live:
    """A Space that has replied; without an answer, one that only who signs in can ask."""

    sha: str
    address: str
    answer: smoke.Answer | None


def secret_values(plan: Plan, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The values of the plan's secrets. Raises UsageError with the names of all missing variables."""
    missing = [name for name, source in plan.secrets.items() if not environ.get(source, "").strip()]
    if missing:  # the variable's name is not printed: it may be a value, passed by mistake
        raise UsageError(
            f"--secret {', '.join(missing)}: expected a value in the environment variable of that name (or of the name "
            "after =), found none. Type it unseen: read -rs NAME; export NAME"
        )
    return {name: _value(name, environ[source]) for name, source in plan.secrets.items()}


def _value(name: str, text: str) -> str:
    """What the app will read is held to its rule here already; another secret may be anything."""
    return secrets.value(name, {name: text}) or "" if secrets.ours(name) else text


def key(desired: DesiredState, config: Config, environ: Mapping[str, str] = os.environ) -> str | None:
    """The key by which the Space answers, where its config asks for one and the environment has it."""
    name = config.access.key
    return secrets.value(name, {name: environ.get(desired.secrets.get(name, name), "")}) if name else None


def apply(space: Space, plan: Plan, before: Remote | None, config: Config, say: Say, timeout: float) -> Live:
    """Applies the plan and returns the live Space. Raises DeployError, with the state after the rollback."""
    values = secret_values(plan)
    sha = before.sha if before else space.create(plan, values)
    undo: list[Callable[[], None]] = []
    try:
        if before:
            _settings(space, plan, before, values, undo)
        elif plan.replicas:
            space.set_replicas(plan.replicas)
        if plan.pushes:
            title, message = f"Deploy {plan.desired.config}", f"SPACE_CONFIG={plan.desired.config}"
            sha = space.push(plan.put, plan.delete, plan.parent or sha, title, message)
            say(f"pushed {sha[:7]}; waiting until it runs")
    except DeployError as error:
        raise DeployError(f"{error}\n{_go_back(space, before, sha, undo, say, timeout)}") from error
    try:
        return verify(space, sha, config, say, timeout, key(plan.desired, config))
    except smoke.Busy as error:
        raise DeployError(
            f"{space.name} has {sha[:7]}, but could not be asked: {error}. It stays; ask it by hand: {space.page}"
        ) from error
    except DeployError as error:
        print_cause(space, say)
        raise DeployError(f"{error}\n{_go_back(space, before, sha, undo, say, timeout)}") from error


def verify(space: Space, sha: str, config: Config, say: Say, timeout: float, key: str | None) -> Live:
    """Waits until `sha` runs, and streams one reply from it. Raises DeployError."""
    runtime = watch.until_live(space, sha, say, timeout)
    if runtime.stage == "PAUSED":
        raise smoke.Busy("it is paused; restart it in its settings")
    address = space.address()
    return Live(sha, address, smoke.ask(address, config, say, key))


def _settings(
    space: Space, plan: Plan, before: Remote, secrets: Mapping[str, str], undo: list[Callable[[], None]]
) -> None:
    """Applies the plan's settings, and appends their reversal to `undo`; a secret's old value can't be read."""
    if plan.visibility:
        space.set_visibility(plan.visibility)
        if plan.visibility == "public":  # otherwise it stays hidden: what was asked for isn't undone by a failure
            undo.append(partial(space.set_visibility, before.visibility))
    if plan.hardware:
        space.set_hardware(plan.hardware)
        undo.append(partial(space.set_hardware, before.hardware or plan.hardware))
    if plan.sleep:
        space.set_sleep(plan.sleep)
        undo.append(partial(space.set_sleep, before.sleep or AWAKE))
    if plan.replicas:
        space.set_replicas(plan.replicas)
        undo.append(partial(space.set_replicas, before.replicas or 1))
    for name, value in secrets.items():
        space.set_secret(name, value)
    for name, value in plan.variables.items():
        space.set_variable(name, value)
        undo.append(partial(space.set_variable, name, (before.variables or {}).get(name)))


def print_cause(space: Space, say: Say) -> None:
    """Prints the log lines that explain why the Space doesn't run or reply."""
    try:
        runtime = space.runtime()
        lines = relevant(list(space.log(build=runtime.stage in ("BUILD_ERROR", "CONFIG_ERROR"))))
    except DeployError:
        return  # the Hub itself fails, which is reported already
    for line in lines:
        say(f"  | {line}")


def _go_back(
    space: Space, before: Remote | None, sha: str, undo: list[Callable[[], None]], say: Say, timeout: float
) -> str:
    """Restores the settings and files of `before`, and returns the resulting state in one sentence."""
    if before is None or "app.py" not in before.files:
        return f"Not deployed. There is no earlier version to go back to: fix it, and deploy again. {space.page}"
    try:
        for step in reversed(undo):
            step()
        if sha == before.sha:
            return f"Not deployed. The files of {space.name} are as they were"
        say(f"going back to {before.sha[:7]}")
        go_back(space, before.sha, sha, "the deploy failed", say, timeout)
    except DeployError as error:
        return f"Not deployed, and going back failed too: {error}. See {space.page}"
    return f"Not deployed. {space.name} runs what it ran before ({before.sha[:7]})"
