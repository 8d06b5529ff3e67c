"""Before anything is pushed, the Hub is asked whether the Space will be able to read its model, with its own token."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.deploy.conftest import TINY, deployed
from tests.standins.hub.checkout import Checkout
from tests.standins.hub.recorded import add
from tests.standins.hub.repos import Repo
from tests.standins.hub.server import Hub

LLAMA = "meta-llama/Llama-3.2-1B-Instruct"
DEPLOY = ("deploy", "owner/demo", "--config", "mine")


@pytest.fixture
def here(here: Checkout, hub: Hub) -> Checkout:
    """A checkout with a config for a gated model, which the owner's own token may read."""
    add(hub, LLAMA)
    made = here.run("new", LLAMA, "--name", "mine")
    assert (made.code, made.err) == (0, "")
    assert "  access: gated or private, so the Space needs a secret HF_TOKEN\n" in made.out
    assert made.out.endswith("python -m streamspace deploy OWNER/NAME --config mine --secret HF_TOKEN\n")
    return here


def test_a_gated_model_asks_for_its_secret_by_name_and_nothing_is_pushed(here: Checkout, hub: Hub) -> None:
    said = here.run(*DEPLOY)
    assert said.code == 2
    assert said.out == (
        f"config/mine.yaml: model.id: {LLAMA!r} is gated, and there is no token, so nobody may read it. Accept its terms on "
        f"https://huggingface.co/{LLAMA}, then deploy with --secret HF_TOKEN=VARIABLE, an environment variable that holds "
        "a token for reading it\n"
        "Not deployed: fix the above first (--anyway: deploy as it is)\n"
    )
    assert "spaces/owner/demo" not in hub.repos
    for value, code in (("hf_stranger", 2), ("hf_reader", 0)):
        said = here.run(*DEPLOY, "--dry-run", "--secret", "HF_TOKEN=MINE", env={"MINE": value})
        assert said.code == code, said


def test_a_secret_that_the_space_has_is_taken_for_good(here: Checkout, hub: Hub, live: Repo) -> None:
    live.secrets["HF_TOKEN"] = "hf_reader"
    said = here.run(*DEPLOY, "--dry-run")
    assert said.code == 0, said
    assert (
        "note: config/mine.yaml: the Space keeps its secret HF_TOKEN, which can't be read, so the model was asked about "
        "with your token\n"
    ) in said.out


def test_a_deploy_goes_on_anyway_if_it_is_asked_to(here: Checkout, hub: Hub) -> None:
    said = here.run(*DEPLOY, "--anyway", "--dry-run")
    assert said.code == 0
    assert "deploying anyway, as asked\nowner/demo: the plan, for config/mine.yaml\n" in said.out


def test_a_servers_secret_is_asked_for_by_name(here: Checkout, hub: Hub, live: Repo) -> None:
    here.change("config/tiny.yaml", "endpoint: null", "endpoint: {url: https://example.com/v1, secret: ENDPOINT_KEY}")
    said = here.run(*TINY, "--dry-run")
    assert said.code == 2
    assert (
        "config/tiny.yaml: endpoint.secret: expected a secret 'ENDPOINT_KEY' of the Space, with the server's key, found "
        "none. Deploy with --secret ENDPOINT_KEY\n"
    ) in said.out
    live.secrets["ENDPOINT_KEY"] = "key"
    assert here.run(*TINY, "--dry-run").code == 0


LOCKED = """        if self.headers["Authorization"] != f"Bearer {os.environ['ACCESS_KEY']}":
            self.send_error(401)
            return
        self.send(b'{"event_id": "1"}')"""


@pytest.fixture
def keyed(here: Checkout) -> Checkout:
    """A checkout whose config has a key, and whose app asks for it."""
    here.change("config/tiny.yaml", "  key: null", "  key: ACCESS_KEY")
    here.change("app.py", """        self.send(b'{"event_id": "1"}')""", LOCKED)
    return here


def test_the_key_of_a_space_is_asked_for_by_name_set_and_used_to_ask_for_a_reply(
    keyed: Checkout, hub: Hub, live: Repo
) -> None:
    said = keyed.run(*TINY, "--dry-run")
    assert said.code == 2
    assert (
        "config/tiny.yaml: access.key: expected a secret 'ACCESS_KEY' of the Space, with the key that clients send, found "
        "none. Deploy with --secret ACCESS_KEY\n"
    ) in said.out
    said = deployed(keyed, "--secret", "ACCESS_KEY=MINE", env={"MINE": "sk-4711\n"})
    assert "  set secret ACCESS_KEY (value from the environment)\n" in said.out
    assert live.secrets == {"ACCESS_KEY": "sk-4711"}
    assert "owner/demo runs " in said.out
    assert "sk-4711" not in said.out


def test_a_space_whose_key_is_not_at_hand_is_deployed_and_not_taken_back(keyed: Checkout, hub: Hub, live: Repo) -> None:
    live.secrets["ACCESS_KEY"] = "sk-4711"
    for env in ({}, {"ACCESS_KEY": ""}, {"ACCESS_KEY": "sk-other"}):
        keyed.write("config/notes.yaml", f"# {env}\n")
        said = keyed.run(*TINY, env=env)
        assert said.code == 1
        assert said.err == (
            f"owner/demo has {live.head.sha[:7]}, but could not be asked: status 401. If the config has access.key, export "
            f"the Space's key under the name that it gives. It stays; ask it by hand: {hub.url}/spaces/owner/demo\n"
        )
    keyed.change("config/tiny.yaml", "title: Streamspace", "title: Renamed")
    assert "owner/demo runs " in deployed(keyed, env={"ACCESS_KEY": "sk-4711"}).out


def test_a_space_for_who_signs_in_has_an_app_at_the_hub_and_is_not_asked_for_a_reply(
    here: Checkout, hub: Hub, live: Repo
) -> None:
    here.change("config/tiny.yaml", "  login: false", "  login: true")
    here.change("config/tiny.yaml", "  organizations: []", "  organizations: [acme]")
    said = here.run(*TINY)
    assert (said.code, said.err) == (0, "")
    runs = f"owner/demo runs {live.head.sha[:7]} and is for who signs in: ask it by hand, or set access.key\n"
    assert runs in said.out
    assert live.secrets == {}
    oauth = b"hf_oauth: true\nhf_oauth_scopes:\n  - read-memberships\nhf_oauth_authorized_org:\n  - acme\n"
    assert oauth in live.head.files["README.md"].content


def test_costs_sleep_and_visibility_are_in_the_plan(here: Checkout, hub: Hub) -> None:
    here.change("config/tiny.yaml", "hardware: cpu-basic", "hardware: cpu-upgrade")
    here.change("config/tiny.yaml", "sleep_minutes: null", "sleep_minutes: 30")
    here.change("config/tiny.yaml", "visibility: null", "visibility: protected")
    here.change("config/tiny.yaml", "replicas: null", "replicas: 2")
    said = here.run("deploy", "owner/other", "--config", "tiny")
    assert said.code == 0, said
    steps = "create protected Space owner/other on cpu-upgrade", "let it sleep after 30 minutes", "run 2 copies of it"
    assert "".join(f"  {step}\n" for step in steps) in said.out
    cost = "2 times cpu-upgrade costs 0.06 USD an hour and 1.44 a day, until 30 minutes pass without a visitor"
    assert f"  {cost}\n" in said.out
    space = hub.repos["spaces/owner/other"]
    assert (space.protected, space.sleep, space.replicas) == (True, 1800, 2)
    here.change("config/tiny.yaml", "replicas: 2", "replicas: 3")
    here.change("app.py", "REPLY = ", "REPLY = 1 / 0, ")
    assert here.run("deploy", "owner/other", "--config", "tiny").code == 1
    assert space.replicas == 2  # taken back with the rest


def test_the_measured_speed_is_said_and_written_if_asked_to(here: Checkout, hub: Hub, live: Repo) -> None:
    live.hardware = "zero-a10g"
    here.change("app.py", "REPLY = f\"Hello from {os.environ.get('SPACE_CONFIG')}\"", 'REPLY = "one two three " * 20')
    here.change("config/tiny.yaml", "  tokens_per_second: 200 # measure it on your Space", "  tokens_per_second: 3")
    said = deployed(here, "--hardware", "zero-a10g", "--tune")
    assert "it writes about " in said.out
    assert "into tiny.yaml; the next deploy takes it along\n" in said.out
    text = (here.folder / "config/tiny.yaml").read_text("utf-8")
    assert " # measured on the Space, less a fifth\n" in text
    assert "tokens_per_second: 3\n" not in text


def test_a_reader_who_has_enough_ends_no_command_in_a_traceback(here: Checkout, hub: Hub, live: Repo) -> None:
    env = {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "HF_TOKEN": "hf_writer",
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
    }
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m streamspace status owner/demo | true; echo ${{PIPESTATUS[0]}}"],
        cwd=here.folder, capture_output=True, text=True, env=env, timeout=120,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("141\n", "")
