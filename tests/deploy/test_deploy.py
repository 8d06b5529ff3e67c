"""Deploys for real, with the Hub's own client, to a stand-in Hub that starts what was uploaded."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.standins.hub.checkout import Checkout, Said
from tests.standins.hub.repos import Blob, Repo
from tests.standins.hub.server import Hub

TINY = ("deploy", "owner/demo", "--config", "tiny")
MISSING = "gradio==6.31.0\nspaces>=0.51\nno-such-package==1.0\n"
BROKEN = "print('loading')\nraise RuntimeError('no such thing')\n"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    running = Hub(tmp_path / "hub")
    yield running
    running.end()


@pytest.fixture
def here(tmp_path: Path, hub: Hub) -> Checkout:
    return Checkout(tmp_path / "work", hub)


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repo]:
    """The Space after a first deploy, which is the same for all tests that go on from it."""
    folder = tmp_path_factory.mktemp("first")
    running = Hub(folder / "hub")
    deployed(Checkout(folder / "work", running))
    yield running.repos["spaces/owner/demo"]
    running.end()


@pytest.fixture
def live(first: Repo, hub: Hub) -> Repo:
    """That Space in this test's Hub, running."""
    space = copy.deepcopy(first)
    hub.add_space(space)
    until = time.monotonic() + 20
    while hub.machines["owner/demo"].stage != "RUNNING" and time.monotonic() < until:
        time.sleep(0.02)
    return space


def refuse(here: Checkout, words: str) -> None:
    """Makes the app answer every message with an error, as the real one does."""
    here.change("app.py", "steps = [", f'text = {{"error": "{words}"}}\n            steps = [')
    here.change("app.py", '("generating", REPLY[:5]), ("generating", REPLY), ("complete", REPLY)', '("error", text)')
    here.change("app.py", "json.dumps([text])", "json.dumps(text)")


def deployed(here: Checkout, *more: str, **settings: object) -> Said:
    """The first deploy, which works."""
    said = here.run(*TINY, *more, **settings)  # type: ignore[arg-type]
    assert (said.code, said.err) == (0, ""), said
    return said


def test_the_real_app_is_deployed_and_streams_from_the_embedded_model(tmp_path: Path, hub: Hub) -> None:
    here = Checkout(tmp_path / "whole", hub, small=False)
    said = deployed(here)
    space = hub.repos["spaces/owner/demo"]
    assert "create Space owner/demo on cpu-basic" in said.out
    assert f"owner/demo runs {space.head.sha[:7]} and answers: first text after " in said.out
    assert said.out.endswith(f"{hub.url}/spaces/owner/demo\n{hub.machines['owner/demo'].url}\n")
    assert space.variables == {"SPACE_CONFIG": "config/tiny.yaml", "GRADIO_SSR_MODE": "false"}
    assert space.head.files["models/tiny/model.safetensors"].large


def test_an_unchanged_deploy_says_so_and_does_nothing(here: Checkout, hub: Hub, live: Repo) -> None:
    before, hub.seen[:] = live.head.sha, []
    said = deployed(here)
    assert "unchanged: nothing to do. owner/demo is at RUNNING" in said.out
    assert live.head.sha == before
    assert not [line for line in hub.seen if not line.startswith("GET")]


def test_a_change_uploads_what_changed_and_deletes_what_is_gone(here: Checkout, hub: Hub, live: Repo) -> None:
    here.write("packages.txt", "ffmpeg\n")
    here.write("models/tiny/extra.json", b"\0" * 12_000_000)  # larger than what git takes
    deployed(here)
    (here.folder / "packages.txt").unlink()
    here.change("config/tiny.yaml", "title: Streamspace", "title: Renamed")
    said = deployed(here)
    lines = [line.split(" (")[0].strip() for line in said.out.splitlines()[1:5]]
    assert lines[:3] == ["upload README.md", "upload config/tiny.yaml", "delete packages.txt"]
    assert lines[3].startswith("keep ")
    files = live.head.files
    assert files["models/tiny/extra.json"].large
    assert b"title: Renamed" in files["README.md"].content
    assert "packages.txt" not in files


def test_what_a_build_reads_is_uploaded_and_what_tools_leave_behind_is_not(here: Checkout, live: Repo) -> None:
    for name in ("packages.txt", "pre-requirements.txt", "notes.txt"):
        here.write(name, "x\n")
    for name in (
        "a.pyc",
        "a.pyo",
        "a.log",
        "a.tmp",
        "a.orig",
        "a.rej",
        "a.swp",
        "a~",
        ".a",
        "__pycache__/a",
        ".ipynb_checkpoints/a",
    ):
        here.write(f"config/{name}", "x")
    lines = here.run(*TINY, "--dry-run").out.splitlines()
    assert [line.split(" (")[0] for line in lines if line.startswith("  upload")] == [
        "  upload packages.txt",
        "  upload pre-requirements.txt",
    ]


def test_a_dry_run_prints_the_plan_and_changes_nothing(here: Checkout, hub: Hub) -> None:
    said = here.run(*TINY, "--dry-run", "--hardware", "cpu-upgrade", "--variable", "A=b=c")
    assert said.code == 0
    assert said.out.startswith(
        "owner/demo: the plan, for config/tiny.yaml\n"
        "  create Space owner/demo on cpu-upgrade\n"
        "  set variable SPACE_CONFIG=config/tiny.yaml\n"
        "  set variable GRADIO_SSR_MODE=false\n"
        "  set variable A=b=c\n"
    )
    assert said.out.endswith("dry run: nothing was done\n")
    assert hub.repos == {}


def test_an_app_that_breaks_is_shown_and_taken_back(here: Checkout, hub: Hub, live: Repo) -> None:
    good = live.head
    here.write("app.py", BROKEN)
    here.write("models/tiny/model.safetensors", b"other weights")
    said = here.run(*TINY, "--variable", "NEW=1")
    assert said.code == 1
    assert "  | RuntimeError: no such thing\n" in said.out
    assert said.err == (
        "The Space stopped at RUNTIME_ERROR: Exit code: 1\n"
        f"Not deployed. owner/demo runs what it ran before ({good.sha[:7]})\n"
    )
    assert [commit.title for commit in live.commits[-2:]] == ["Deploy config/tiny.yaml", f"Go back to {good.sha[:7]}"]
    assert live.head.files == good.files
    assert "NEW" not in live.variables
    assert hub.machines["owner/demo"].stage == "RUNNING"


def test_a_build_that_fails_shows_the_lines_that_tell(here: Checkout, hub: Hub, live: Repo) -> None:
    good = live.head
    here.write("requirements.txt", MISSING)
    said = here.run(*TINY)
    assert said.code == 1
    shown = said.out[said.out.index("  | ") : said.out.index("going back to ")]
    assert shown == (
        "  | ERROR: Could not find a version that satisfies the requirement no-such-package==1.0 (from versions: none)\n"
        "  | ERROR: No matching distribution found for no-such-package==1.0\n"
        '  | --> ERROR: process "/bin/sh -c pip install --no-cache-dir -r /tmp/requirements.txt     '
        'gradio[oauth,mcp]==6.31.0     \\"uvicorn>=0.14.0\\"     \\"websockets>=10.4\\"     spaces" did not complete '
        "successfully: exit code: 1\n"
    )
    assert said.err == (
        "The Space stopped at BUILD_ERROR: Job failed with exit code: 1\n"
        f"Not deployed. owner/demo runs what it ran before ({good.sha[:7]})\n"
    )
    assert live.head.files == good.files


def test_a_gitignore_that_the_space_has_leaves_out_nothing(here: Checkout, hub: Hub, live: Repo) -> None:
    ignored = Blob(b"models/\n*.yaml\n", False)
    live.commit({**live.head.files, ".gitignore": ignored}, "Edited in the browser")
    here.change("config/tiny.yaml", "title: Streamspace", "title: Renamed")
    here.write("models/tiny/model.safetensors", b"other weights")
    said = deployed(here)
    assert "delete .gitignore" in said.out
    files = live.head.files
    assert files["models/tiny/model.safetensors"].content == b"other weights"
    assert b"title: Renamed" in files["config/tiny.yaml"].content


def test_a_first_deploy_that_breaks_has_nothing_to_go_back_to(here: Checkout, hub: Hub) -> None:
    here.write("app.py", BROKEN)
    said = here.run(*TINY)
    assert said.code == 1
    assert said.err.endswith(
        "Not deployed. There is no earlier version to go back to: fix it, and deploy again. "
        f"{hub.url}/spaces/owner/demo\n"
    )
    again = here.run(*TINY)
    assert again.err.endswith(
        "owner/demo has these files already, and is at RUNTIME_ERROR. Fix them and deploy again\n"
    )


def test_an_app_that_runs_but_does_not_answer_is_taken_back(here: Checkout, hub: Hub, live: Repo) -> None:
    here.change("app.py", '{"/chat": {}}', "{}")
    said = here.run(*TINY)
    assert said.code == 1
    assert said.err.startswith(
        "The app runs, but could not load its model; its page and its log say why\nNot deployed."
    )


def test_an_error_in_the_reply_is_quoted(here: Checkout, hub: Hub, live: Repo) -> None:
    refuse(here, "out of cheese")
    assert here.run(*TINY).err.startswith("The app could not answer: out of cheese\nNot deployed. owner/demo runs")


def test_a_full_queue_proves_nothing_and_takes_nothing_back(here: Checkout, hub: Hub, live: Repo) -> None:
    refuse(here, "Your GPU quota is used up")
    said = here.run(*TINY)
    assert said.code == 1
    assert "but could not be asked: Your GPU quota is used up. It stays; ask it by hand: " in said.err
    assert live.head.title == "Deploy config/tiny.yaml"


def test_a_card_that_the_hub_refuses_stops_before_anything_is_uploaded(here: Checkout, hub: Hub, live: Repo) -> None:
    head = live.head
    here.change("config/tiny.yaml", "title: Streamspace", "title: Renamed")
    hub.refuse("validate-yaml", 400, "bad card")
    said = here.run(*TINY)
    assert said.code == 1
    assert said.err.startswith("Can't upload the files: ")
    assert "Run: python -m streamspace check" in said.err
    assert live.head is head


def test_problems_of_the_config_stop_a_deploy_before_the_hub_is_asked(here: Checkout, hub: Hub) -> None:
    here.change("config/tiny.yaml", "emoji: 💬", "emoji: chat")
    said = here.run(*TINY)
    assert said.code == 2
    assert said.out == (
        "config/tiny.yaml: card.emoji: expected one emoji, got 'chat'\nNot deployed: fix the above first\n"
    )
    assert hub.seen == []


def test_secrets_come_from_the_environment_and_stay_out_of_sight(here: Checkout, hub: Hub) -> None:
    missing = here.run(*TINY, "--secret", "MY_KEY", "--secret", "OTHER")
    assert (missing.code, hub.repos) == (2, {})
    assert missing.err == (
        "--secret MY_KEY, OTHER: expected a value in the environment variable of that name (or of the name after =), found "
        "none. Type it unseen: read -rs NAME; export NAME\n"
    )
    for mistake in ("hf_abc.def", "KEY=hf_abcdef"):
        mistaken = here.run(*TINY, "--secret", mistake)
        assert mistaken.code == 2
        assert "hf_abc" not in mistaken.out + mistaken.err
    values = {"MY_KEY": "very-secret", "MODEL_TOKEN": "for reading"}
    said = deployed(here, "--secret", "MY_KEY", "--secret", "HF_TOKEN=MODEL_TOKEN", env=values)
    assert "very-secret" not in said.out
    assert hub.repos["spaces/owner/demo"].secrets == {"MY_KEY": "very-secret", "HF_TOKEN": "for reading"}


REFUSALS = [
    (
        401,
        "hf_unknown",
        "Can't look at the Space: the Hub doesn't accept your token; it may have been revoked or have expired. Make one at "
        "https://huggingface.co/settings/tokens, then run: hf auth login\n",
    ),
    (
        401,
        None,
        "Can't look at the Space: the Hub doesn't know who you are. Run: hf auth login (in CI: set HF_TOKEN or "
        "HF_OIDC_RESOURCE)\n",
    ),
    (
        402,
        "hf_free",
        "Can't create the Space: this hardware needs a paid plan for 'owner' (cpu-basic requires a PRO subscription). A free "
        "account can host two Spaces on ZeroGPU (--hardware zero-a10g); cpu-basic needs PRO, and the others a payment "
        "method: https://huggingface.co/settings/billing\n",
    ),
    (
        403,
        "hf_reader",
        "Can't create the Space: your token may not write to 'owner' (You don't have the rights to create a space under the "
        "namespace \"owner\"). Give it the role 'write', or a fine-grained permission for this Space, at "
        "https://huggingface.co/settings/tokens; in an organization, ask for the role 'write' there\n",
    ),
]


@pytest.mark.parametrize(("status", "token", "expected"), REFUSALS, ids=[f"{each[0]}-{each[1]}" for each in REFUSALS])
def test_a_refusal_names_its_cause_and_the_next_step(
    here: Checkout, status: int, token: str | None, expected: str
) -> None:
    said = here.run(*TINY, token=token)
    assert (said.code, said.err) == (1, expected)


def test_a_space_that_is_not_there_is_said_to_be_missing(here: Checkout) -> None:
    for command in ("status", "logs", "rollback"):
        said = here.run(command, "owner/none")
        assert said.code == 1
        assert said.err.endswith(
            "there is no Space 'owner/none', or your token may not see it. Check the spelling and `hf auth whoami`\n"
        )


def test_a_busy_hub_and_too_many_requests_say_to_wait(here: Checkout, hub: Hub) -> None:
    hub.refuse("repos/create", 409, "another operation is in progress")
    assert here.run(*TINY).err == (
        "Can't create the Space: the Hub is busy with another change of 'owner/demo' (another operation is in progress). "
        "Wait a minute, and run the same command again\n"
    )
    hub.refuse("repos/create", 429, "slow down", Retry_After="42")
    assert here.run(*TINY).err == (
        "Can't create the Space: too many requests to the Hub (slow down). Wait 42 s, and run the same command again: it "
        "goes on from there\n"
    )


def test_no_network_says_so(tmp_path: Path) -> None:
    said = Checkout(tmp_path / "work", None).run(*TINY)
    assert (said.code, said.err) == (
        1,
        "Can't look at the Space: the Hub can't be reached from here. Check the network (and that HF_HUB_OFFLINE isn't "
        "set), then run the same command again: it goes on where it stopped\n",
    )


def test_a_change_by_somebody_else_meanwhile_is_not_overwritten(here: Checkout, hub: Hub, live: Repo) -> None:
    theirs = {path: each for path, each in live.head.files.items() if path != "config/cpu.yaml"}
    hub.upon("preupload", lambda: live.commit(theirs, "Edited in the browser") and None)
    here.change("config/tiny.yaml", "title: Streamspace", "title: Renamed")
    said = here.run(*TINY)
    assert said.code == 1
    assert said.err.startswith(
        "Can't upload the files: somebody else changed 'owner/demo' since this deploy looked at it."
    )
    assert said.err.endswith("Not deployed. The files of owner/demo are as they were\n")
    assert live.head.title == "Edited in the browser"
    deployed(here)
    assert live.head.title == "Deploy config/tiny.yaml"


def test_an_upload_that_is_cut_off_can_be_done_again(here: Checkout, hub: Hub) -> None:
    hub.refuse("POST .*/commit/main", 500, "the connection broke")
    said = here.run(*TINY)
    assert said.code == 1
    assert len(hub.repos["spaces/owner/demo"].commits) == 1
    assert "owner/demo runs" in deployed(here).out
    assert len(hub.large) == 1


def test_a_deploy_that_is_killed_in_the_middle_of_the_upload_can_be_done_again(here: Checkout, hub: Hub) -> None:
    with here.started(*TINY) as process:
        hub.upon("PUT /lfs/", process.kill)
        process.wait(30)
    space = hub.repos["spaces/owner/demo"]
    assert [commit.title for commit in space.commits] == ["initial commit"]
    deployed(here)
    assert [commit.title for commit in space.commits] == ["initial commit", "Deploy config/tiny.yaml"]


def test_a_deploy_that_is_interrupted_while_it_waits_goes_on_from_there(here: Checkout, hub: Hub) -> None:
    here.change("app.py", 'print("serving"', 'import time; time.sleep(3)\nprint("serving"')
    with here.started(*TINY) as process:
        assert process.stdout
        for line in process.stdout:
            if "APP_STARTING" in line:
                break
        here.interrupt(process)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.strip() == "Interrupted. Run the same command again to continue"
    said = deployed(here)
    assert "unchanged, and still being built; waiting until it runs\n" in said.out
    assert "and answers: first text after" in said.out


def test_status_logs_and_rollback(here: Checkout, hub: Hub, live: Repo) -> None:
    first = live.head
    said = here.run("deploy", "owner/demo", "--config", "cpu", "--hardware", "cpu-basic")
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


def test_hardware_follows_the_config(here: Checkout, hub: Hub, live: Repo) -> None:
    said = deployed(here, "--hardware", "cpu-upgrade")
    assert "  request hardware cpu-upgrade\n" in said.out
    assert live.hardware == "cpu-upgrade"


def test_a_variable_that_looks_like_a_secret_is_refused_unread(here: Checkout) -> None:
    said = here.run(*TINY, "--variable", "KEY=hf_" + "a" * 34)
    assert (said.code, said.err) == (
        2, "--variable: expected no secrets, since variables are public. Use --secret KEY\n"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["status", "demo"], "expected a Space as OWNER/NAME, got 'demo'"),
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


def test_a_hub_that_refuses_ends_a_command_with_1(here: Checkout, hub: Hub) -> None:
    assert here.run("status", "owner/demo").code == 1


def test_a_paused_space_keeps_what_was_pushed(here: Checkout, hub: Hub, live: Repo) -> None:
    here.change("config/tiny.yaml", "title: Streamspace", "title: Renamed")
    machine = hub.machines["owner/demo"]
    hub.upon("/commit/main", lambda: setattr(machine, "paused", True))
    said = here.run(*TINY)
    assert said.code == 1
    assert "but could not be asked: it is paused; restart it in its settings. It stays; ask it by hand: " in said.err
    assert live.head.title == "Deploy config/tiny.yaml"


def test_a_trusted_publisher_pushes_without_a_stored_token(here: Checkout, hub: Hub, live: Repo) -> None:
    here.change("config/tiny.yaml", "title: Streamspace", "title: Renamed")
    hub.publishers[f"id-token-for-{hub.url}"] = "spaces/owner/demo"
    runner = {
        "GITHUB_ACTIONS": "true",
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{hub.url}/actions/id-token",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "runner",
    }
    keyless = {**runner, "HF_OIDC_RESOURCE": "spaces/owner/demo"}
    said = here.run(*TINY, token=None, env=keyless)
    assert (said.code, said.err) == (0, "")
    assert "leave the variables as they are: this token may not read them" in said.out
    assert b"title: Renamed" in live.head.files["README.md"].content
    switched = here.run("deploy", "owner/demo", "--config", "cpu", token=None, env=keyless)
    assert switched.err == (
        "owner/demo runs config/tiny.yaml, and this token may not change that to config/cpu.yaml. Do it once with a token "
        "of your own: run the same command on your computer, after hf auth login\n"
    )
    other = here.run("deploy", "owner/other", "--config", "tiny", token=None, env=keyless)
    assert other.err == (
        "Can't create the Space: a Trusted Publisher's token may push to its Space, but not create it or change its "
        "settings. Do this step once with a token of your own: run the same command on your computer, after hf auth login\n"
    )


def test_a_workflow_that_the_space_does_not_trust_is_told(here: Checkout, hub: Hub) -> None:
    env = {"HF_OIDC_RESOURCE": "spaces/owner/demo", "HF_OIDC_ID_TOKEN": "a-stranger"}
    said = here.run(*TINY, token=None, env=env)
    assert said.code == 1
    assert said.err == (
        "Can't look at the Space: the Space doesn't trust this workflow (invalid_grant: no Trusted Publisher matches this "
        "workflow). Add it in the Space's settings, under Trusted Publishers; docs/deploying.md says how\n"
    )


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
