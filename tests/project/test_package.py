"""The package as pip builds it: its files, its requirements, and the repository that its commands work on."""

from __future__ import annotations

import ast
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from email import message_from_bytes
from importlib import metadata
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import streamspace
from streamspace.hub import requirements
from tests.running import ROOT, clean
from tests.standins.hub.checkout import Checkout

INDIRECT = {"accelerate", "itsdangerous"}  # transformers and starlette import them
OF_ANOTHER = {"pydantic-core", "anyio"}  # pydantic requires one version of the one, starlette hands out the other


def imported(path: Path) -> Iterator[str]:
    """The packages that a module imports, without Python's own and this project's."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        yield from {name.split(".")[0] for name in names} - {*sys.stdlib_module_names, "streamspace"}


def test_every_package_that_is_imported_is_required_and_every_requirement_is_imported() -> None:
    packages = metadata.packages_distributions()
    modules = {name for path in (ROOT / "app.py", *(ROOT / "streamspace").rglob("*.py")) for name in imported(path)}
    assert {canonicalize_name(packages[name][0]) for name in modules} - OF_ANOTHER | INDIRECT == set(
        requirements.read()
    )


def test_a_wheel_holds_all_files_and_the_requirements_of_a_space(tmp_path: Path) -> None:
    source = Checkout(tmp_path / "work", None).folder
    shutil.copy(ROOT / "pyproject.toml", source)
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(tmp_path), "."]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    name = f"streamspace-{streamspace.__version__}"
    with ZipFile(tmp_path / f"{name}-py3-none-any.whl") as wheel:
        packed = {entry for entry in wheel.namelist() if not entry.startswith(name)}
        about = message_from_bytes(wheel.read(f"{name}.dist-info/METADATA"))
        commands = wheel.read(f"{name}.dist-info/entry_points.txt").decode()
    assert packed == {path.relative_to(source).as_posix() for path in (source / "streamspace").rglob("*.*")}
    assert {str(Requirement(line)) for line in about.get_all("Requires-Dist", [])} == {
        str(required) for required in requirements.read().values()
    }
    assert commands == "[console_scripts]\nstreamspace = streamspace.__main__:main\n"


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


def test_an_editable_install_works_on_the_repository_in_the_current_folder(tmp_path: Path) -> None:
    here = Checkout(tmp_path / "work", None)
    here.change("config/tiny.yaml", "title: Streamspace", "title: Other")
    assert "title: Other\n" in run(ROOT, here.folder, "card", "tiny").stdout


def test_a_checkout_is_read_from_every_folder(tmp_path: Path) -> None:
    assert run(ROOT, tmp_path, "card", "tiny").returncode == 0


def test_ctrl_c_while_the_command_is_still_being_imported_prints_nothing() -> None:
    code = """if True:
        import os, runpy, signal, sys
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a background program ignores it
        class Interrupt:
            def find_spec(self, name, *_):
                if name == "pydantic":
                    os.kill(os.getpid(), signal.SIGINT)
        sys.meta_path.insert(0, Interrupt())
        runpy.run_module("streamspace", run_name="__main__", alter_sys=True)
    """
    done = subprocess.run(
        [sys.executable, "-c", code, "--version"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")
