"""`make check` resolves the requirements for every promised Python, and says in the resolver's lines what can't be met."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from streamspace.checks.platform import PYTHONS, ZEROGPU_SPACES, ZEROGPU_TORCH
from tests.running import ROOT, clean
from tests.standins.hub.checkout import Checkout
from tests.standins.wheelhouse import Wheelhouse

WELL = f"requirements: resolved for Python {', '.join(PYTHONS)}\n"


@pytest.fixture
def here(tmp_path: Path) -> Checkout:
    """A checkout that asks for little."""
    made = Checkout(tmp_path / "work", None)
    (made.folder / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/resolve.py", made.folder / "scripts")
    made.write("requirements.txt", "gradio==6.0\nspaces>=0.51\ntorch\ndata\n")
    made.write("requirements-dev.txt", "-r requirements.txt\ntool\n")
    return made


@pytest.fixture
def wheels(tmp_path: Path) -> Wheelhouse:
    """An index with what the checkout and the Hub ask for."""
    made = Wheelhouse(tmp_path / "wheels")
    made.add("gradio", "6.0", ["data<3; extra == 'mcp'"], extras=["oauth", "mcp"])
    for name, version in (("uvicorn", "1.0"), ("websockets", "11.0"), ("spaces", ZEROGPU_SPACES), ("tool", "1.0")):
        made.add(name, version)
    for version in ("2.0", "3.0"):
        made.add("data", version)
    for version in (ZEROGPU_TORCH[-1], "99.0"):
        made.add("torch", version)
    return made


def resolve(here: Checkout, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs it as make does, with the torch that the Makefile chooses for the machine."""
    return subprocess.run(
        [sys.executable, "scripts/resolve.py"], cwd=here.folder, capture_output=True, text=True, timeout=120,
        env={**clean(os.environ), "UV_TORCH_BACKEND": "cpu", **env},
    )  # fmt: skip


def test_what_can_be_met_is_one_line(here: Checkout, wheels: Wheelhouse) -> None:
    done = resolve(here, wheels.env)
    assert (done.returncode, done.stdout, done.stderr) == (0, WELL, "")


def test_what_the_hub_adds_is_resolved_along_and_pythons_are_named(here: Checkout, wheels: Wheelhouse) -> None:
    here.change("requirements.txt", "data", "data>=3")
    done = resolve(here, wheels.env)
    assert (done.returncode, done.stdout) == (1, "")
    for python in PYTHONS:
        assert f"requirements.txt: can't be met on Python {python}, for a Space:\n" in done.stderr
    assert "gradio[mcp]" in done.stderr
    assert "requirements-dev.txt" not in done.stderr


def test_zerogpus_ceiling_of_torch_counts_on_its_python_only(here: Checkout, wheels: Wheelhouse) -> None:
    here.change("requirements.txt", "torch", "torch==99.0")
    done = resolve(here, wheels.env)
    assert done.returncode == 1
    assert done.stderr.count("can't be met") == 1
    assert done.stderr.startswith("requirements.txt: can't be met on Python 3.12, for a Space on ZeroGPU:\n")


def test_a_package_without_a_wheel_for_one_python_is_told(here: Checkout, wheels: Wheelhouse) -> None:
    for python in PYTHONS[:-1]:
        tag = f"cp{python.replace('.', '')}"
        wheels.add("compiled", "1.0", tag=f"{tag}-{tag}-manylinux_2_17_x86_64")
    here.change("requirements-dev.txt", "tool", "compiled")
    done = resolve(here, wheels.env)
    assert done.stderr.count("can't be met") == 1
    assert done.stderr.startswith(f"requirements-dev.txt: can't be met on Python {PYTHONS[-1]}, for developers:\n")


def test_an_index_that_can_not_be_reached_is_told_once_and_as_such(here: Checkout) -> None:
    nowhere = {
        "UV_NO_CONFIG": "1",
        "UV_DEFAULT_INDEX": "http://127.0.0.1:9/",
        "UV_HTTP_RETRIES": "0",
        "UV_FIND_LINKS": "",
    }
    done = resolve(here, nowhere)
    assert done.returncode == 2
    assert done.stderr.startswith("The package index can't be reached, so nothing is resolved:\nerror: ")
    assert done.stderr.count("can't be") == 1
