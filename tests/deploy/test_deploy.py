"""Deploys for real, with the Hub's own client, to a stand-in Hub that starts what was uploaded."""

from __future__ import annotations

import time
from pathlib import Path

from tests.deploy.conftest import TINY, deployed
from tests.standins import gguf_file
from tests.standins.hub import builds
from tests.standins.hub.checkout import Checkout
from tests.standins.hub.repos import Blob, Repo
from tests.standins.hub.server import Hub

MISSING = "gradio==6.31.0\nspaces>=0.51\nno-such-package==1.0\n"
BROKEN = "print('loading')\nraise RuntimeError('no such thing')\n"


def refuse(here: Checkout, words: str) -> None:
    """Makes the app answer every message with an error, as the real one does."""
    here.change("app.py", "steps = [", f'text = {{"error": "{words}"}}\n            steps = [')
    here.change("app.py", '("generating", REPLY[:5]), ("generating", REPLY), ("complete", REPLY)', '("error", text)')
    here.change("app.py", "json.dumps([text])", "json.dumps(text)")


def test_the_real_app_is_deployed_and_streams_from_the_embedded_model(tmp_path: Path, hub: Hub) -> None:
    here = Checkout(tmp_path / "whole", hub, small=False)
    said = deployed(here)
    space = hub.repos["spaces/owner/demo"]
    assert "create Space owner/demo on cpu-basic" in said.out
    assert f"owner/demo runs {space.head.sha[:7]} and answers: first text after " in said.out
    assert said.out.endswith(f"{hub.url}/spaces/owner/demo\n{hub.machines['owner/demo'].url}\n")
    assert space.variables == {"SPACE_CONFIG": "config/tiny.yaml", "GRADIO_SSR_MODE": "false"}
    assert space.head.files["models/tiny/model.safetensors"].large


def test_a_gguf_file_of_the_hub_is_deployed_and_streams_without_what_needs_torch(tmp_path: Path, hub: Hub) -> None:
    here = Checkout(tmp_path / "whole", hub, small=False)
    content = gguf_file.write(tmp_path / "tiny.gguf").read_bytes()
    readme = b"---\nlicense: apache-2.0\n---\n"
    hub.add_model("owner/llm-GGUF", {"llm-q4_k_m.gguf": content, "llm-q8_0.gguf": content, "README.md": readme})
    here.change("config/tiny.yaml", "id: ./models/tiny", "id: owner/llm-GGUF")
    here.change("config/tiny.yaml", "file: null", "file: llm-q4_k_m.gguf")
    here.change("config/tiny.yaml", "dtype: float32", "dtype: auto")
    here.write("requirements.txt", builds.for_gguf((here.folder / "requirements.txt").read_text("utf-8")))
    said = deployed(here)
    assert "owner/demo runs " in said.out
    log = hub.machines["owner/demo"].run_log()
    assert [line for line in log if line.startswith("Engine: llamacpp")], log
    assert [path for path in hub.seen if "llm-q8_0.gguf" in path] == []


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


def test_problems_of_the_config_stop_a_deploy_before_the_hub_is_asked(here: Checkout, hub: Hub) -> None:
    here.change("config/tiny.yaml", "emoji: 💬", "emoji: chat")
    said = here.run(*TINY)
    assert said.code == 2
    assert said.out == (
        "config/tiny.yaml: card.emoji: expected one emoji, got 'chat'\n"
        "Not deployed: fix the above first (--anyway: deploy as it is)\n"
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
    values = {"MY_KEY": "very-secret", "MODEL_TOKEN": "hf_for_reading"}
    said = deployed(here, "--secret", "MY_KEY", "--secret", "HF_TOKEN=MODEL_TOKEN", env=values)
    assert "very-secret" not in said.out
    assert hub.repos["spaces/owner/demo"].secrets == {"MY_KEY": "very-secret", "HF_TOKEN": "hf_for_reading"}


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
    here.change("app.py", 'print("serving"', 'import time; time.sleep(20)\nprint("serving"')
    with here.started(*TINY) as process:
        while "APP_STARTING" not in process.said:
            time.sleep(0.05)
        here.interrupt(process)
        _, err = process.communicate(timeout=40)
    assert (process.returncode, err.strip()) == (130, "Interrupted. Run the same command again to continue")
    said = deployed(here)
    assert "unchanged, and still being built; waiting until it runs\n" in said.out
    assert "and answers: first text after" in said.out


def test_hardware_follows_the_config(here: Checkout, hub: Hub, live: Repo) -> None:
    said = deployed(here, "--hardware", "cpu-upgrade")
    assert "  request hardware cpu-upgrade\n" in said.out
    assert live.hardware == "cpu-upgrade"


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
