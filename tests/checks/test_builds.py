"""The stand-in Hub's build: pip's own words for each input, found in its records, and what the platform refuses before."""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamspace.checks.platform import ZEROGPU
from streamspace.deploy.excerpt import headline, relevant
from streamspace.hub import requirements
from tests.standins.hub import builds
from tests.standins.hub.builds import Asked
from tests.standins.hub.checkout import SMALL, Checkout
from tests.standins.hub.machine import Machine
from tests.standins.hub.repos import Repo, blob
from tests.standins.hub.server import Hub

CARD = {"sdk": "gradio", "sdk_version": '"6.31.0"', "python_version": '"3.12"', "app_file": "app.py"}
BASE = "gradio==6.31.0\nspaces>=0.51\n"
PROCESS = (
    '--> ERROR: process "/bin/sh -c pip install --no-cache-dir -r /tmp/requirements.txt     gradio[oauth,mcp]==6.31.0     '
    '\\"uvicorn>=0.14.0\\"     \\"websockets>=10.4\\"     spaces" did not complete successfully: exit code: 1'
)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    running = Hub(tmp_path / "hub")
    yield running
    running.end()


def space(hub: Hub, wanted: str, hardware: str = "cpu-basic", before: str = "", **card: str) -> Machine:
    """The machine of a Space with these files, when it has come to an end. `before` is put before the app's code."""
    front = "".join(f"{key}: {value}\n" for key, value in {**CARD, **card}.items())
    files = {"README.md": f"---\n{front}---\n", "requirements.txt": wanted, "app.py": before + SMALL.read_text("utf-8")}
    repo = Repo("space", "owner/demo", hardware=hardware)
    repo.commit({path: blob(path, text.encode()) for path, text in files.items()}, "Deploy")
    hub.add_space(repo)
    machine, until = hub.machines["owner/demo"], time.monotonic() + 120
    while "BUILDING" in machine.stage or machine.stage == "APP_STARTING":
        assert time.monotonic() < until, machine.stage
        time.sleep(0.02)
    return machine


@pytest.mark.parametrize("asked", list(builds.committed()), ids=["cpu", "ZeroGPU", "GGUF"])
def test_the_requirements_of_this_repository_resolve_on_the_hub(asked: Asked) -> None:
    record = builds.known(asked)
    assert record, (
        "requirements.txt, or what the Hub adds, has changed: run python -m tests.standins.hub.builds, and commit what it writes"
    )
    assert record.resolves, "\n".join(relevant(record.lines))


def test_comments_and_the_order_of_lines_make_no_other_build() -> None:
    first = Asked.of("b>=1  # a comment\na==1\n", "6.31.0", "3.12", "cpu-basic")
    assert first == Asked.of("# another\na==1\n\nb>=1", "6.31.0", "3.12", "cpu-upgrade")
    others = [("a==1", "6.31.0", "3.12", "cpu-basic"), ("a==1\nb>=1", "6.30.0", "3.12", "cpu-basic")]
    others += [("a==1\nb>=1", "6.31.0", "3.13", "cpu-basic"), ("a==1\nb>=1", "6.31.0", "3.12", ZEROGPU)]
    assert len({first.path, *(Asked.of(*other).path for other in others)}) == 5


REFUSED = {
    "pydantic>=2.14": [
        "ERROR: Cannot install gradio, gradio[mcp,oauth]==6.31.0 and pydantic>=2.14 because these package versions have "
        "conflicting dependencies.",
        "The conflict is caused by:",
        "    The user requested pydantic>=2.14",
    ],
    "no-such-package==1.0": [
        "ERROR: Could not find a version that satisfies the requirement no-such-package==1.0 (from versions: none)",
        "ERROR: No matching distribution found for no-such-package==1.0",
        PROCESS,
    ],
    "pyyaml==99.0": [
        "ERROR: Ignored the following yanked versions: ",
        "ERROR: Could not find a version that satisfies the requirement pyyaml==99.0 (from versions: 3.10, ",
        "ERROR: No matching distribution found for pyyaml==99.0",
    ],
    "numpy==1.21.6": [  # which needs a Python before 3.11
        "ERROR: Ignored the following yanked versions: ",
        "ERROR: Ignored the following versions that require a different python version: 1.21.2 Requires-Python >=3.7,<3.11; ",
        "ERROR: Could not find a version that satisfies the requirement numpy==1.21.6 (from versions: ",
        "ERROR: No matching distribution found for numpy==1.21.6",
    ],
}


@pytest.mark.parametrize("line", REFUSED)
def test_what_pip_refuses_ends_in_a_build_error_with_pips_own_lines(hub: Hub, line: str) -> None:
    machine = space(hub, f"{BASE}{line}\n")
    assert (machine.stage, headline(machine.message)) == ("BUILD_ERROR", "Job failed with exit code: 1")
    shown = relevant(machine.build_log)
    assert [text[: len(start)] for text, start in zip(shown, REFUSED[line], strict=False)] == REFUSED[line]
    assert shown[-1] == PROCESS
    assert max(map(len, shown)) < 310
    said = Checkout(hub.folder / "work", hub).run("status", "owner/demo")
    assert said.code == 1
    assert said.out.splitlines()[:2] == [
        f"owner/demo: BUILD_ERROR on cpu-basic, {machine.url}", "  Job failed with exit code: 1"
    ]  # fmt: skip


def test_a_python_without_quotes_is_an_image_that_does_not_exist(hub: Hub) -> None:
    machine = space(hub, BASE, python_version="3.10")
    assert (machine.stage, machine.build_log[-1]) == (
        "BUILD_ERROR", "--> ERROR: docker.io/library/python:3.1: not found"
    )  # fmt: skip


def test_the_app_gets_what_the_platform_sets_and_nothing_of_the_developers(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEVELOPERS_OWN", "1")
    machine = space(hub, requirements.FILE.read_text("utf-8"), before="import os\nprint(sorted(os.environ.items()))\n")
    assert machine.stage == "RUNNING"
    seen = dict(ast.literal_eval(machine.run_log()[0]))
    home = machine.folder / machine.sha[:12]
    expected = {
        "SYSTEM": "spaces",
        "SPACE_ID": "owner/demo",
        "SPACE_HOST": "owner-demo.hf.space",
        "PYTHONPATH": str(home),
    }
    expected |= {"SPACE_AUTHOR_NAME": "owner", "GRADIO_NUM_PORTS": "1", "GRADIO_ALLOW_FLAGGING": "never"}
    assert {name: seen.get(name) for name in expected} == expected
    assert "DEVELOPERS_OWN" not in seen
    assert "SPACES_ZERO_GPU" not in seen


CONFIGURATIONS = [
    (
        f"{BASE}torch==2.14.1\n",
        {},
        "torch version in requirements.txt is not compatible with ZeroGPU. Supported versions: 2.13.0, 2.12.1, ",
    ),
    (BASE, {"python_version": '"3.13"'}, "python_version is not compatible with ZeroGPU. Supported versions: "),
    (BASE, {"sdk": "docker"}, "ZeroGPU is only available for Gradio Spaces"),
    (BASE, {"sdk_version": "6.31"}, "sdk_version must be a string"),
]


@pytest.mark.parametrize(("wanted", "card", "message"), CONFIGURATIONS, ids=["torch", "python", "sdk", "version"])
def test_what_zerogpu_does_not_run_is_a_configuration_error(
    hub: Hub, wanted: str, card: dict[str, str], message: str
) -> None:
    machine = space(hub, wanted, ZEROGPU, **card)
    assert machine.stage == "CONFIG_ERROR"
    assert machine.message.startswith(message)


def test_a_build_without_record_and_without_network_says_what_to_run(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builds, "FOLDER", tmp_path / "none")
    for name, value in {"INDEX_URL": "http://127.0.0.1:9/simple", "RETRIES": "0", "CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    machine = space(hub, BASE)
    assert machine.build_log == [f"ERROR: {builds.NoRecord()}"]
    with pytest.raises(builds.NoRecord, match=r"With a network, run: python -m tests\.standins\.hub\.builds"):
        machine.end()  # so whatever the test was about, it fails with this
    machine.no_record = None


def test_the_records_tell_nothing_of_the_machine_that_made_them() -> None:
    for path in builds.FOLDER.glob("*.yaml"):
        text = path.read_text("utf-8").replace("https://pip.pypa.io/", "")
        assert not re.search(r"://|file:|/(?:home|root|opt|Users)/", text), path.name
