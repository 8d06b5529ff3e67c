"""The docs agree with the code: docs/deploying.md's commands are run against a stand-in Hub, and tables are compared."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import modules
from streamspace import options
from streamspace.__main__ import RUN
from streamspace.checks.platform import HARDWARE, LARGE_WEIGHTS_GIB
from tests.running import ROOT, clean
from tests.standins.hub.checkout import Checkout
from tests.standins.hub.recorded import add
from tests.standins.hub.repos import Account
from tests.standins.hub.server import Hub

PACKAGE = ROOT / "streamspace"
TEXT = (ROOT / "docs/deploying.md").read_text("utf-8")
INSTALLS = "make setup\n"  # not run here, since it needs the network; test_workflows.py runs its rules
GITHUB = re.compile(r"\.\./\.\./(?:codespaces|actions/workflows/(\w+\.yml)(?:/badge\.svg)?)")  # of any repository there
UPGRADES = "make upgrade UPSTREAM=https://github.com/OWNER/TEMPLATE\n"  # test_upgrade.py runs its script


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    running = Hub(tmp_path / "hub")
    add(running, "Qwen/Qwen3-4B-Instruct-2507", "Qwen/Qwen2.5-1.5B-Instruct-GGUF")
    running.tokens["hf_..."] = Account("owner", role="read")
    yield running
    running.end()


def test_the_commands_of_the_page_work_word_for_word_and_in_their_order(hub: Hub, tmp_path: Path) -> None:
    here = Checkout(tmp_path / "work", hub)
    (here.folder / ".venv").symlink_to(Path(sys.executable).parents[1])
    blocks = re.findall(r"^```bash\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    for elsewhere in (INSTALLS, UPGRADES):
        blocks.remove(elsewhere)
    script = "set -ex\n" + "".join(blocks).replace("OWNER/", "owner/").replace("NAME", "demo").replace("COPY", "copy")
    env = {"HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_writer", "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
    env |= {"HOME": str(tmp_path), "HF_HUB_DISABLE_UPDATE_CHECK": "1"}
    done = subprocess.run(
        ["bash", "-c", script], cwd=here.folder, capture_output=True, text=True, timeout=300,
        env={**clean(os.environ), **env},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    demo, copy = hub.repos["spaces/owner/demo"], hub.repos["spaces/owner/copy"]
    assert (copy.variables["SPACE_CONFIG"], copy.hardware) == ("config/reasoning.yaml", "zero-a10g")
    assert [commit.title for commit in demo.commits] == [
        "initial commit", "Deploy config/mine.yaml", "Deploy config/cpu.yaml", "Deploy config/mine.yaml",
        f"Go back to {demo.commits[2].sha[:7]}",
    ]  # fmt: skip
    assert demo.secrets == {"HF_TOKEN": "hf_..."}


def test_the_page_names_hardware_that_there_is_with_the_memory_that_check_reckons_with() -> None:
    rows = re.findall(r"^\| (`[^|]+`) \| (\d+) GB", TEXT, re.MULTILINE)
    named = {name: int(memory) for names, memory in rows for name in re.findall(r"`([\w-]+)`", names)}
    assert len(named) >= 10
    assert named == {name: HARDWARE[name] for name in named}
    assert f"weights above {LARGE_WEIGHTS_GIB} GiB" in TEXT


def target(page: Path, link: str) -> Path:
    """The file that a link leads to: of a page of GitHub about a workflow, the workflow."""
    github = GITHUB.fullmatch(link) if page.parent == ROOT else None
    return ROOT / ".github/workflows" / (github[1] or "") if github else page.parent / link.split("#")[0]


def test_the_docs_link_to_and_name_files_that_there_are() -> None:
    missing = []
    for page in (
        ROOT / "README.md",
        ROOT / "AGENTS.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "SECURITY.md",
        ROOT / "examples/README.md",
        *(ROOT / "docs").rglob("*.md"),
    ):
        text = page.read_text("utf-8")
        links = [target(page, link) for link in re.findall(r"\]\((?!https?:|#)([^)]+)\)", text)]
        names = re.findall(r"`((?:\w+/)+[\w.]+\.(?:py|js|css|yaml))`", text)
        missing += [str(link) for link in links if not link.exists()]
        missing += [name for name in names if not any((base / name).exists() for base in (ROOT, PACKAGE))]
    assert missing == []


def test_each_promise_of_the_security_page_names_tests_that_there_are() -> None:
    text = (ROOT / "SECURITY.md").read_text("utf-8")
    rows = re.findall(r"^\| (?!What|---)(.*) \|$", text.partition("## What is not protected")[0], re.MULTILINE)
    assert len(rows) >= 18
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)`", row.split(" | ")[-1])
        assert named, row
        for name in named:
            assert re.search(r"^(?:async )?def test_", (ROOT / name).read_text("utf-8"), re.MULTILINE), name


def test_the_messages_in_the_table_of_troubleshooting_are_messages_of_the_code() -> None:
    code = "\n".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py"))
    messages = re.findall(r"^\| \*([^*]+)\*", TEXT, re.MULTILINE)
    assert len(messages) >= 7
    assert [message for message in messages if message not in code] == []


def test_every_command_that_the_pages_name_is_one() -> None:
    known = options.parser(dict.fromkeys(RUN, print))  # type: ignore[arg-type]
    text = "\n".join((ROOT / name).read_text("utf-8") for name in ("README.md", "AGENTS.md", "docs/deploying.md"))
    commands = re.findall(r"^\.venv/bin/python -m streamspace (.+?)(?: +#.*)?$", text, re.MULTILINE)
    assert len(commands) >= 12
    for command in commands:
        known.parse_args(shlex.split(command))


def test_the_table_of_modules_is_made_from_their_docstrings() -> None:
    assert modules.PAGE.read_text("utf-8") == modules.page(), "Run: make format"
