"""What the Hub refuses a deploy or a command, as the person who typed it reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.deploy.conftest import TINY, deployed
from tests.standins.hub.checkout import Checkout
from tests.standins.hub.repos import Repo
from tests.standins.hub.server import Hub

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


def test_a_hub_that_refuses_ends_a_command_with_1(here: Checkout, hub: Hub) -> None:
    assert here.run("status", "owner/demo").code == 1


def test_a_card_that_the_hub_refuses_stops_before_anything_is_uploaded(here: Checkout, hub: Hub, live: Repo) -> None:
    head = live.head
    here.change("config/tiny.yaml", "title: Streamspace", "title: Renamed")
    hub.refuse("validate-yaml", 400, "bad card")
    said = here.run(*TINY)
    assert said.code == 1
    assert said.err.startswith("Can't upload the files: ")
    assert "Run: python -m streamspace check" in said.err
    assert live.head is head


def test_a_workflow_that_the_space_does_not_trust_is_told(here: Checkout, hub: Hub) -> None:
    env = {"HF_OIDC_RESOURCE": "spaces/owner/demo", "HF_OIDC_ID_TOKEN": "a-stranger"}
    said = here.run(*TINY, token=None, env=env)
    assert said.code == 1
    assert said.err == (
        "Can't look at the Space: the Space doesn't trust this workflow (invalid_grant: no Trusted Publisher matches this "
        "workflow). Add it in the Space's settings, under Trusted Publishers; docs/deploying.md says how\n"
    )


HOSTILE = "\x1b]0;title\x07\x1b[31m::error file=a::hf_abcdefghijkl \x9b2J"


def test_what_the_hub_says_steers_neither_a_terminal_nor_a_workflow(here: Checkout, hub: Hub, live: Repo) -> None:
    hub.refuse("GET /api/spaces/owner/demo/runtime", 400, HOSTILE)
    said = here.run("status", "owner/demo")
    assert (
        said.err
        == "Can't ask what runs: the Hub answered : :error file=a::hf_***  2J. Run: python -m streamspace check\n"
    )


def test_what_a_spaces_log_says_steers_neither_a_terminal_nor_a_workflow(here: Checkout, hub: Hub) -> None:
    app = (here.folder / "app.py").read_text("utf-8")
    here.write("app.py", app.replace("import", f"print({HOSTILE!r})\nprint('##[error]a\\r  ::b')\nimport", 1))
    deployed(here)
    assert ": :error file=a::hf_***  2J\n# #[error]a" in here.run("logs", "owner/demo").out
    here.write("app.py", f"print({HOSTILE!r})\nraise SystemExit('error')\n")
    shown = here.run(*TINY).out
    assert "  | : :error file=a::hf_***  2J\n" in shown
    assert not set("\x1b\x07\x9b") & set(shown)
