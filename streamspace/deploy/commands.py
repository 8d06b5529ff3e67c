"""The commands that talk to the Hub: deploy, status, logs, rollback, remove. Each returns the process's exit code."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from huggingface_hub.utils import filter_repo_objects

from streamspace.checks import costs, offline
from streamspace.checks.findings import Finding, errors
from streamspace.config import file as configfile
from streamspace.config.types import Config
from streamspace.deploy import access, apply, plan, rollback, tuning
from streamspace.deploy.hub import Space
from streamspace.deploy.watch import FAILED, ON_THE_WAY
from streamspace.errors import DeployError, UsageError
from streamspace.foreign import SECRETS
from streamspace.hub import card, upload
from streamspace.hub.errors import hub_errors
from streamspace.model.files import UNWANTED, WANTED

Say = Callable[[str], None]
NAME = r"[A-Za-z_]\w*"


def deploy(options: argparse.Namespace, say: Say) -> int:
    """Checks the config, prints the plan, executes it, and verifies that the Space replies."""
    path = configfile.locate(options.config) if options.config else configfile.chosen()
    config = configfile.read(path)
    space, desired = Space(options.space), _wish(options, config, path)
    if not _passes(offline.findings(config, path, desired.hardware), options.anyway, say):
        return 2
    before = space.fetch()
    steps = plan.make(desired, upload.files(config, path, _model_files(space, config), space.name), before)
    if not _passes(access.findings(desired, before, config, path), options.anyway, say):
        return 2
    say(f"{desired.space}: the plan, for {desired.config}")
    for line in (*steps.lines(), costs.said(space.api, desired.hardware, config.card.sleep_minutes, desired.replicas)):
        say(f"  {line}") if line else None
    if options.dry_run:
        say("dry run: nothing was done")
        return 0
    if steps.empty and before:
        return _unchanged(space, before.sha, config, say, options.timeout, apply.key(desired, config))
    live = apply.apply(space, steps, before, config, say, options.timeout)
    tuning.tune(live.answer, config, path, desired.hardware, options.tune, say)
    _report(live, space, say)
    return 0


def status(options: argparse.Namespace, say: Say) -> int:
    """Prints the Space's stage, hardware and commits; returns 1 if it is broken."""
    space = Space(options.space)
    runtime = space.runtime()
    say(f"{space.name}: {runtime.stage} on {runtime.hardware or 'no hardware yet'}, {space.address()}")
    if runtime.message:
        say(f"  {runtime.message}")
    for commit in space.commits()[:5]:
        mark = "*" if runtime.sha == commit.sha else " "
        say(f"{mark} {commit.sha[:7]}  {commit.when}  {commit.title}")
    return 1 if runtime.stage in FAILED else 0


def logs(options: argparse.Namespace, say: Say) -> int:
    """Prints the app's log, or the build's."""
    for line in Space(options.space).log(build=options.build, follow=options.follow):
        say(line)
    return 0


def go_back(options: argparse.Namespace, say: Say) -> int:
    """Restores an earlier version with its config, and waits until it runs."""
    space = Space(options.space)
    history = space.commits()
    target = rollback.find(history, options.to or rollback.previous(history))
    if "app.py" not in space.files(target.sha):
        raise DeployError(f"{target.sha[:7]} ({target.title}) holds no app. There is no earlier version to go back to")
    say(f"{space.name}: going back to {target.sha[:7]} ({target.title}, {target.when})")
    variables = space.variables()
    if target.config and variables is not None and variables.get("SPACE_CONFIG") != target.config:
        space.set_variable("SPACE_CONFIG", target.config)
    sha = rollback.go_back(space, target.sha, history[0].sha, "asked for", say, options.timeout)
    say(f"{space.name} runs {sha[:7]}, with the files of {target.sha[:7]}: {space.address()}")
    return 0


def remove(options: argparse.Namespace, say: Say) -> int:
    """Deletes a Space permanently; its name must be given twice."""
    if options.confirm != options.space:
        raise UsageError(f"--confirm: expected {options.space!r} once more, since this can't be undone")
    Space(options.space).remove()
    say(f"{options.space} is removed")
    return 0


def _passes(found: Sequence[Finding], anyway: bool, say: Say) -> bool:
    """Prints findings, and whether a deploy goes on."""
    for finding in found:
        say(str(finding))
    if errors(found):
        say("deploying anyway, as asked" if anyway else "Not deployed: fix the above first (--anyway: deploy as it is)")
    return anyway or not errors(found)


def _wish(options: argparse.Namespace, config: Config, path: Path) -> plan.DesiredState:
    return plan.DesiredState(
        options.space,
        upload.config_path(path),
        options.hardware or config.card.hardware,
        "private" if options.private else config.card.visibility,
        config.card.sleep_minutes and 60 * config.card.sleep_minutes,
        config.card.replicas,
        _secrets(options.secret),
        options.replace_secrets,
        {"SPACE_CONFIG": upload.config_path(path), plan.WITHOUT_SSR: "false", **_variables(options.variable)},
    )


def _variables(texts: Sequence[str]) -> dict[str, str]:
    """NAME=VALUE as a mapping. Raises UsageError."""
    for text in texts:
        if not re.fullmatch(rf"{NAME}=.*", text, re.DOTALL):
            raise UsageError(f"--variable: expected NAME=VALUE, got {text!r}")
        if any(pattern.search(text) for pattern in SECRETS.values()):  # not quoted
            raise UsageError(
                f"--variable: expected no secrets, since variables are public. Use --secret {text.split('=')[0]}"
            )
    return {name: value for name, _, value in (text.partition("=") for text in texts)}


def _secrets(texts: Sequence[str]) -> dict[str, str]:
    """NAME or NAME=VARIABLE as a mapping from secrets to environment variables."""
    return {name: source or name for name, _, source in (text.partition("=") for text in texts)}


def _model_files(space: Space, config: Config) -> list[str]:
    """The files to preload, for a model from the Hub with a pinned revision; none where they can't be read."""
    model = config.model
    if not card.loads_from_hub(config) or not card.pinned(model) or not config.card.preload:
        return []
    try:
        with hub_errors(f"list the files of {model.id}", model.id, "model"):
            found = space.api.list_repo_files(model.id, revision=model.revision)
    except DeployError:  # `check --online` reports it
        return []
    return list(filter_repo_objects(found, allow_patterns=WANTED, ignore_patterns=UNWANTED))


def _unchanged(space: Space, sha: str, config: Config, say: Say, timeout: float, key: str | None) -> int:
    """Handles an empty plan: the Space may still be building after an interrupted deploy, or be broken."""
    runtime = space.runtime()
    if runtime.stage in FAILED:
        apply.print_cause(space, say)
        raise DeployError(f"{space.name} has these files already, and is at {runtime.stage}. Fix them and deploy again")
    if runtime.stage in ON_THE_WAY:
        say("unchanged, and still being built; waiting until it runs")
        _report(apply.verify(space, sha, config, say, timeout, key), space, say)
        return 0
    say(f"unchanged: nothing to do. {space.name} is at {runtime.stage}: {space.address()}")
    return 0


def _report(live: apply.Live, space: Space, say: Say) -> None:
    answers = f"answers: {live.answer}" if live.answer else "is for who signs in: ask it by hand, or set access.key"
    say(f"{space.name} runs {live.sha[:7]} and {answers}")
    say(f"{space.page}\n{live.address}")
