"""The workflows: valid, audited, with least privilege, and made of commands that work as CI would run them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from streamspace.checks.platform import PYTHONS, ZEROGPU_PYTHON
from streamspace.hub import card, requirements
from tests.running import ROOT, clean
from tests.standins.hub.checkout import Checkout
from tests.standins.hub.server import Hub

FOLDER = ROOT / ".github/workflows"
FILES = sorted(FOLDER.glob("*.yml"))
TOOLS = Path(sys.executable).parent
TOKEN = re.compile(r"secrets\.|github\.token")
RIGHTS = {  # beyond reading the repository
    ("deploy.yml", "deploy"): {"contents": "read", "id-token": "write"},
    ("release.yml", "draft"): {"contents": "write"},
}


def read(path: Path) -> dict[str, Any]:
    """A workflow; YAML reads its key `on` as true."""
    found: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return found


@dataclass(frozen=True)
class Step:
    """One `run:` step, with the job that it belongs to."""

    file: str
    settings: dict[str, Any]
    run: str

    @property
    def needs_a_secret(self) -> bool:
        return bool(TOKEN.search(str(self.settings.get("env", ""))))


def steps() -> Iterator[Step]:
    for path in FILES:
        for job in read(path)["jobs"].values():
            for step in job.get("steps", []):
                if "run" in step:
                    yield Step(path.name, step, step["run"])


def tool(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([TOOLS / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_zizmor_has_nothing_to_say_even_as_an_auditor() -> None:
    done = tool("zizmor", "--offline", "--persona", "auditor", "--quiet", ".github")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("schema", "files"), [("github-workflows", FILES), ("dependabot", [ROOT / ".github/dependabot.yml"])]
)
def test_the_files_follow_their_schema(schema: str, files: list[Path]) -> None:
    done = tool("check-jsonschema", "--builtin-schema", f"vendor.{schema}", *map(str, files))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_workflow_has_no_rights_that_a_job_does_not_ask_for(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        assert job.get("permissions") in (RIGHTS.get((path.name, name)), {"contents": "read"}, None)
        assert "timeout-minutes" in job or "uses" in job
    assert "pull_request_target" not in path.read_text("utf-8")


def test_every_action_is_pinned_to_a_commit_with_its_version_beside_it() -> None:
    for path in FILES:
        for used in re.findall(r"uses: (?!\./)(.*)", path.read_text("utf-8")):
            assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", used), used


def test_every_promise_of_a_python_is_the_same_promise() -> None:
    """One list, `checks/platform.py`'s: what resolves, what is tested, and what people are told."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    matrix = read(FOLDER / "ci.yml")["jobs"]["test"]["strategy"]["matrix"]["python"]
    lowest, highest = PYTHONS[0], PYTHONS[-1]
    assert matrix == PYTHONS
    assert project["project"]["requires-python"] == f">={lowest}"
    assert [name.split(" :: ")[-1] for name in project["project"]["classifiers"]] == PYTHONS
    assert project["tool"]["ruff"]["target-version"] == f"py{lowest.replace('.', '')}"
    assert project["tool"]["mypy"]["python_version"] == lowest
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert re.findall(r"version_info < \((.*?)\)", makefile) == [lowest.replace(".", ", ")]
    assert re.findall(r"Python (\S+) or newer", makefile) == [lowest]
    assert f"Python {lowest} to {highest}" in (ROOT / "README.md").read_text("utf-8")
    assert card.PYTHON in PYTHONS
    assert card.PYTHON in ZEROGPU_PYTHON
    used = {found for path in FILES for found in re.findall(r'python-version: "(.*)"', path.read_text("utf-8"))}
    assert used == {card.PYTHON}


def test_the_weekly_run_names_commands_of_the_makefile() -> None:
    named = read(FOLDER / "fresh.yml")["jobs"]["test"]["strategy"]["matrix"]["versions"]
    assert named == ["oldest", "newest", "next"]
    assert set(named) <= set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def test_a_fork_that_configured_nothing_is_told_and_deploys_nothing() -> None:
    jobs = read(FOLDER / "deploy.yml")["jobs"]
    assert jobs["skip"]["if"] == "vars.SPACE == ''"
    assert jobs["deploy"]["if"] == "vars.SPACE != ''"
    assert jobs["packages"]["if"] == "vars.SPACE != ''"
    assert jobs["packages"]["needs"] == "ci"
    assert jobs["deploy"]["needs"] == "packages"


def test_a_pull_request_from_a_fork_gets_no_preview() -> None:
    for job in read(FOLDER / "preview.yml")["jobs"].values():
        assert "github.event.pull_request.head.repo.full_name == github.repository" in job["if"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_token_reaches_only_the_step_that_uses_it_in_a_job_that_installs_nothing(path: Path) -> None:
    workflow = read(path)
    assert not TOKEN.search(str(workflow.get("env")))
    for job in workflow["jobs"].values():
        assert not TOKEN.search(str({name: value for name, value in job.items() if name != "steps"}))
        steps = job.get("steps", [])
        using = [step for step in steps if TOKEN.search(str(step))]
        for step in using:
            assert step["run"].startswith(("python -m streamspace ", "gh release "))
            assert not TOKEN.search(str({name: value for name, value in step.items() if name != "env"}))
        if using or "write" in job.get("permissions", {}).values():
            assert not [step for step in steps if re.match(r"make|uv|pip", step.get("run", ""))]


def locked() -> dict[str, Requirement]:
    text = (ROOT / "requirements.lock").read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert all("--hash=sha256:" in line for line in lines)
    return {canonicalize_name(each.name): each for each in (Requirement(line.split(" --hash")[0]) for line in lines)}


def test_the_lock_has_a_version_with_hashes_of_each_requirement_but_torch() -> None:
    """Not the newest, which only an index knows: `make lock` writes it again."""
    found = locked()
    text = "".join((ROOT / name).read_text("utf-8") for name in ("requirements.txt", "requirements-dev.txt"))
    wanted = requirements.parse(text.splitlines())
    assert "torch" not in found
    assert set(wanted) - {"torch"} <= set(found)
    for name, requirement in found.items():
        (pin,) = requirement.specifier
        assert pin.operator == "=="
        assert name not in wanted or wanted[name].specifier.contains(pin.version), f"{name}: run make lock"


def test_what_a_deploy_installs_is_all_that_it_imports() -> None:
    """The job that deploys has what is locked, without torch."""
    code = "import sys, streamspace.__main__, streamspace.deploy.commands; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    brought = metadata.packages_distributions()
    imported = {canonicalize_name(name) for module in done.stdout.split() for name in brought.get(module, [])}
    assert imported - {"streamspace", "setuptools"} <= set(locked())


def test_every_step_is_one_line_and_takes_nothing_from_an_event_into_a_shell() -> None:
    found = list(steps())
    assert len(found) >= 10
    for step in found:
        assert "\n" not in step.run.strip()
        assert "${{" not in step.run


@pytest.fixture
def here(tmp_path: Path) -> Checkout:
    made = Checkout(tmp_path / "work", None)
    for name in ("Makefile", "requirements-dev.txt", "requirements.lock"):
        shutil.copy(ROOT / name, made.folder / name)
    return made


def shell(run: str, folder: Path, path: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs a step as GitHub does."""
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", run], cwd=folder, capture_output=True, text=True,
        timeout=120, env={**clean(os.environ), "PATH": f"{path}:{os.environ['PATH']}", "CI": "true", **env},
    )  # fmt: skip


@pytest.mark.parametrize(
    "step", [step for step in steps() if not step.needs_a_secret], ids=lambda s: f"{s.file}: {s.run[:30]}"
)
def test_a_step_without_secrets_runs_with_the_programs_replaced_by_ones_that_only_take_note(
    step: Step, here: Checkout, tmp_path: Path
) -> None:
    """The shell line and the Makefile's rules are real; what they start is not, since the tests themselves are in there."""
    notes, bin_ = tmp_path / "notes", here.folder / ".venv/bin"
    bin_.mkdir(parents=True)
    for name in ("python", "python3", "uv", "ruff", "mypy", "zizmor", "check-jsonschema"):
        (bin_ / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {notes}\n')
        (bin_ / name).chmod(0o755)
    done = shell(step.run, here.folder, str(bin_), UV_TORCH_BACKEND="cpu", VERSIONS="oldest", GITHUB_REF_NAME="v0.2.0")
    assert done.returncode == 0, done.stdout + done.stderr
    noted = notes.read_text() if notes.exists() else ""
    if step.run.startswith("echo"):
        assert done.stdout.startswith("::notice::Not deployed")
    elif step.run == "make check":
        assert {"ruff check .", "mypy ", "python -m streamspace check"} <= set(noted.splitlines())
        assert "python scripts/resolve.py" in noted.splitlines()
    elif step.run == "make test":
        assert noted.splitlines()[-1].strip() == "python -m pytest --numprocesses 2 --dist loadfile"
    elif step.run == "make audit":
        assert noted.splitlines()[-1].startswith("uv tool run pip-audit==")
    elif step.run in ("make locked", "make packages"):
        assert noted.splitlines()[-1].endswith("--no-deps --require-hashes -r requirements.lock")
        assert ("uv pip install --quiet --python .venv/bin/python torch==" in noted) == (step.run == "make locked")
    elif "release.py" in step.run:
        assert (noted, done.stdout) == ("python3 scripts/release.py v0.2.0 --notes\n", "")
    else:
        assert "uv pip install" in noted
        assert ("--resolution lowest-direct" in noted) == ("VERSIONS" in step.run)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    running = Hub(tmp_path / "hub")
    yield running
    running.end()


def command(file: str, word: str) -> str:
    return next(step.run for step in steps() if step.file == file and f"streamspace {word}" in step.run)


def test_the_deploy_step_runs_keyless_against_a_stand_in_and_writes_its_summary(
    here: Checkout, hub: Hub, tmp_path: Path
) -> None:
    hub.publishers[f"id-token-for-{hub.url}"] = "spaces/owner/demo"
    once = Checkout(tmp_path / "laptop", hub)
    assert once.run("deploy", "owner/demo", "--config", "tiny").code == 0
    here.change("config/tiny.yaml", "title: Streamspace", "title: Renamed")
    page = tmp_path / "summary.md"
    done = shell(
        command("deploy.yml", "deploy"), here.folder, str(TOOLS), SPACE="owner/demo", CONFIG="tiny", HF_TOKEN="",
        HF_OIDC_RESOURCE="spaces/owner/demo", GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(page),
        ACTIONS_ID_TOKEN_REQUEST_URL=f"{hub.url}/actions/id-token", ACTIONS_ID_TOKEN_REQUEST_TOKEN="runner",
        HF_ENDPOINT=hub.url, HF_HUB_OFFLINE="0", HF_HUB_DISABLE_XET="1", HOME=str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert page.read_text("utf-8").startswith(
        "### deploy owner/demo\n\n```text\nowner/demo: the plan, for config/tiny.yaml\n"
    )
    assert "and answers: first text after" in page.read_text("utf-8")


def test_a_preview_is_a_private_space_that_is_removed(here: Checkout, hub: Hub, tmp_path: Path) -> None:
    env = {"PREVIEW": "owner/demo-pr-7", "CONFIG": "tiny", "HF_TOKEN": "hf_writer", "HF_ENDPOINT": hub.url}
    env |= {"HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1", "HOME": str(tmp_path)}
    done = shell(command("preview.yml", "deploy"), here.folder, str(TOOLS), **env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert hub.repos["spaces/owner/demo-pr-7"].private
    assert shell(command("preview.yml", "remove"), here.folder, str(TOOLS), **env).returncode == 0
    assert hub.repos == {}
