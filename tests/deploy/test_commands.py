"""The commands beside deploy: what they print, their exit codes, and how they are typed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.deploy.conftest import TINY
from tests.standins.hub.checkout import Checkout
from tests.standins.hub.repos import Repo
from tests.standins.hub.server import Hub


def test_status_logs_and_rollback(here: Checkout, hub: Hub, live: Repo) -> None:
    first = live.head
    said = here.run("deploy", "owner/demo", "--config", "cpu", "--hardware", "cpu-basic", "--anyway")
    assert "Hello from config/cpu.yaml" in said.out
    said = here.run("rollback", "owner/demo")
    assert said.code == 0
    assert said.out.startswith(f"owner/demo: going back to {first.sha[:7]} (Deploy config/tiny.yaml, ")
    assert (live.head.files, live.variables["SPACE_CONFIG"]) == (first.files, "config/tiny.yaml")
    status = here.run("status", "owner/demo")
    assert status.code == 0
    assert status.out.splitlines()[0] == f"owner/demo: RUNNING on cpu-basic, {hub.machines['owner/demo'].url}"
    assert status.out.splitlines()[1].startswith(f"* {live.head.sha[:7]}  ")
    assert here.run("logs", "owner/demo").out == "serving\n"
    build = here.run("logs", "owner/demo", "--build").out
    assert build.startswith("===== Build Queued at ")
    assert f" / Commit SHA: {live.head.sha[:7]} =====\n\n--> FROM docker.io/library/python:3.12\n" in build
    assert "\nSuccessfully installed " in build
    nothing = here.run("rollback", "owner/demo")
    assert (nothing.code, nothing.err) == (
        1, f"{live.commits[0].sha[:7]} (initial commit) holds no app. There is no earlier version to go back to\n"
    )  # fmt: skip


def test_a_variable_that_looks_like_a_secret_is_refused_unread(here: Checkout) -> None:
    said = here.run(*TINY, "--variable", "KEY=hf_" + "a" * 34)
    assert (said.code, said.err) == (
        2, "--variable: expected no secrets, since variables are public. Use --secret KEY\n"
    )  # fmt: skip


def test_a_space_can_be_named_by_the_address_of_its_page(here: Checkout, live: Repo) -> None:
    assert here.run("status", "https://huggingface.co/spaces/owner/demo/").out.startswith("owner/demo: RUNNING")


def test_hardware_that_the_command_asks_for_is_checked_as_the_cards_is(here: Checkout) -> None:
    said = here.run(*TINY, "--hardware", "cpu-uprade")
    assert (said.code, said.err) == (2, "")
    assert said.out.startswith(
        "config/tiny.yaml: --hardware: expected hardware that the Hub rents, got 'cpu-uprade'; did you mean 'cpu-upgrade'? "
        "One of: cpu-basic, "
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["status", "demo"], "expected a Space as OWNER/NAME, got 'demo'"),
        (
            ["logs", "https://huggingface.co/a/b/c"],
            "expected a Space as OWNER/NAME, got 'https://huggingface.co/a/b/c'",
        ),
        ([*TINY, "--secret", "1="], "--secret: expected NAME or NAME=VARIABLE, an environment variable with the value"),
        ([*TINY, "--variable", "KEY"], "--variable: expected NAME=VALUE, got 'KEY'"),
        (
            ["remove", "owner/demo", "--confirm", "demo"],
            "--confirm: expected 'owner/demo' once more, since this can't be undone",
        ),
        (
            ["deploy", "owner/demo", "--config", "none"],
            "none: expected a config file, found none. Give a path, or one of",
        ),
        (["rollback", "owner/demo", "--to", "77"], "--to: expected a commit of the Space, got '77'. The latest are "),
        (["remove", "owner/demo"], "usage: python -m streamspace remove "),
        (["deploy", "owner/demo", "--timeout", "soon"], "usage: python -m streamspace deploy "),
    ],
)
def test_a_command_that_must_be_typed_otherwise_ends_with_2(
    here: Checkout, hub: Hub, live: Repo, arguments: list[str], expected: str
) -> None:
    said = here.run(*arguments)
    assert (said.code, said.err[: len(expected)]) == (2, expected)


def test_a_space_is_removed_only_when_named_twice(here: Checkout, hub: Hub, live: Repo) -> None:
    said = here.run("remove", "owner/demo", "--confirm", "owner/demos")
    assert (said.code, said.err) == (2, "--confirm: expected 'owner/demo' once more, since this can't be undone\n")
    assert here.run("remove", "owner/demo", "--confirm", "owner/demo").out == "owner/demo is removed\n"
    assert hub.repos == {}
    assert here.run("remove", "owner/demo", "--confirm", "owner/demo").code == 0  # again does no harm


def test_a_run_of_github_actions_gets_a_summary(here: Checkout, hub: Hub, tmp_path: Path) -> None:
    page = tmp_path / "summary.md"
    here.run("status", "owner/demo", env={"GITHUB_STEP_SUMMARY": str(page)})
    assert page.read_text() == (
        "### status owner/demo\n\n```text\nCan't ask what runs: there is no Space 'owner/demo', or your token may not see it. "
        "Check the spelling and `hf auth whoami`\n```\n"
    )


def test_commands_start_quickly_and_without_torch_and_gradio(here: Checkout) -> None:
    started = time.monotonic()
    assert here.run("deploy", "--help").code == 0
    assert time.monotonic() - started < 5
