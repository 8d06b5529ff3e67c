"""Where an installed package looks for the repository that it works on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import ROOT, clean
from tests.standins.hub.checkout import Checkout


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder as pip fills it: the package without the rest of the repository."""
    shutil.copytree(ROOT / "streamspace", tmp_path / "installed/streamspace")
    return tmp_path / "installed"


def run(installed: Path, current: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; from streamspace.__main__ import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-P", "-c", code, *arguments], cwd=current, capture_output=True, text=True, timeout=60,
        env={**clean(os.environ), "PYTHONPATH": str(installed)},
    )  # fmt: skip


def test_an_installed_package_works_on_the_current_folder(installed: Path, tmp_path: Path) -> None:
    here = Checkout(tmp_path / "work", None)
    here.change("config/tiny.yaml", "title: Streamspace", "title: Installed")
    assert "title: Installed\n" in run(installed, here.folder, "card", "tiny").stdout


def test_a_command_outside_of_a_repository_says_where_to_run_it(installed: Path, tmp_path: Path) -> None:
    done = run(installed, tmp_path, "check")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"{tmp_path.resolve()}: expected a repository with app.py and config/, found none. Run the command in your copy of "
        "the template\n"
    )
    assert run(installed, tmp_path, "--version").returncode == 0


def test_a_checkout_is_read_from_every_folder(tmp_path: Path) -> None:
    assert run(ROOT, tmp_path, "card", "tiny").returncode == 0
