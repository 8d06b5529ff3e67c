"""Deploys to ZeroGPU: a stand-in Hub that runs the app on the real `spaces`, and ends one that doesn't report its start."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path

from tests.standins.hub.checkout import Checkout
from tests.standins.hub.machine import NOT_REPORTED
from tests.standins.hub.server import Hub

TINY = ("deploy", "owner/demo", "--config", "tiny", "--hardware", "zero-a10g")
UNDECORATED = """import spaces

import gradio


def chat(message: str) -> str:
    return message


demo = gradio.Interface(chat, "text", "text")
print("about to launch")
demo.launch()
"""


def test_an_app_without_a_decorated_function_is_ended_and_taken_back(tmp_path: Path, hub: Hub) -> None:
    """Of a free account, which gets ZeroGPU when the Space is created, and no other hardware."""
    here = Checkout(tmp_path / "work", hub)
    first = here.run(*TINY, token="hf_free")
    assert (first.code, first.err) == (0, "")
    assert "create Space owner/demo on zero-a10g" in first.out
    assert not [line for line in hub.seen if line.endswith("/hardware")]
    live = hub.repos["spaces/owner/demo"]
    good = live.head
    here.write("app.py", UNDECORATED)
    said = here.run(*TINY, token="hf_free")
    assert said.code == 1
    assert "  | about to launch\n" in said.out, said.out
    assert said.err == (
        f"The Space stopped at RUNTIME_ERROR: {NOT_REPORTED}\n"
        f"Not deployed. owner/demo runs what it ran before ({good.sha[:7]})\n"
    )
    assert live.head.files == good.files
    assert hub.machines["owner/demo"].stage == "RUNNING"
    other = here.run("deploy", "owner/demo", "--config", "tiny", "--hardware", "cpu-upgrade", token="hf_free")
    assert other.err.startswith("Can't request hardware cpu-upgrade: this hardware needs a paid plan for ")


def test_the_real_app_is_deployed_and_answers_with_the_gpu_that_it_asked_for(tmp_path: Path, hub: Hub) -> None:
    said = Checkout(tmp_path / "work", hub, small=False).run(*TINY, token="hf_free")
    assert (said.code, said.err) == (0, "")
    assert "and answers: first text after " in said.out
    machine = hub.machines["owner/demo"]
    assert "Device: cuda because this is ZeroGPU" in "\n".join(machine.run_log())
    assert machine.gpus
    assert len(machine.gpus.asked("/startup-report")) == 1
    (call,) = machine.gpus.asked("/schedule")
    assert float(call["durationSeconds"]) > 0


def test_a_model_that_can_not_be_loaded_is_said_by_the_page_and_not_by_the_platform(tmp_path: Path, hub: Hub) -> None:
    here = Checkout(tmp_path / "work", hub, small=False)
    here.write("models/tiny/model.safetensors", b"not weights")
    said = here.run(*TINY)
    assert said.code == 1
    assert "odel could not be loaded" in said.err
    assert NOT_REPORTED not in said.err


def asked(hub: Hub, path: str, token: str, **body: str) -> int:
    """The status that the Hub answers with."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{hub.url}/api/{path}", json.dumps(body).encode(), headers, method="POST")
    try:
        return int(urllib.request.urlopen(request).status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_the_stand_in_gives_a_free_account_zerogpu_at_creation_and_nothing_else(hub: Hub) -> None:
    new = {"name": "demo", "type": "space", "sdk": "gradio"}
    assert asked(hub, "repos/create", "hf_free", **new) == 402  # the Hub takes it for cpu-basic
    assert asked(hub, "repos/create", "hf_free", **new, hardware="zero-a10g") == 200
    assert asked(hub, "spaces/owner/demo/hardware", "hf_free", flavor="cpu-basic") == 402
    assert asked(hub, "spaces/owner/demo/hardware", "hf_free", flavor="zero-a10g") == 200  # as it is
    assert asked(hub, "spaces/owner/demo/hardware", "hf_writer", flavor="zero-a11g") == 400
    assert asked(hub, "spaces/owner/demo/duplicate", "hf_free", repository="owner/copy") == 402
    assert asked(hub, "spaces/owner/demo/duplicate", "hf_free", repository="owner/copy", hardware="zero-a10g") == 200
    assert asked(hub, "spaces/owner/demo/hardware", "hf_writer", flavor="cpu-basic") == 200
    assert asked(hub, "spaces/owner/demo/hardware", "hf_free", flavor="zero-a10g") == 402  # afterwards
