"""pip is asked whether requirements can be installed together, and what it says is told apart from a missing network."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from streamspace.checks.resolution import resolve
from streamspace.errors import ResolutionUnavailable
from tests.standins.wheelhouse import Wheelhouse


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wheelhouse:
    """A page that allows data up to version 2 with an extra, as gradio[mcp] does with pydantic."""
    made = Wheelhouse(tmp_path / "wheels")
    made.add("page", "6.0", ["data>=1", 'data<=2; extra == "more"'], extras=["more"])
    for version in ("1.0", "2.0", "3.0"):
        made.add("data", version)
    for name, value in made.env.items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "requirements.txt"


def test_requirements_that_go_together_leave_nothing_to_say(wheels: Wheelhouse, file: Path) -> None:
    file.write_text("data>=1.5\n")
    assert resolve(file, ["page[more]==6.0"], "3.12") == []


def test_a_conflict_is_told_in_pips_own_lines_with_its_causes(wheels: Wheelhouse, file: Path) -> None:
    file.write_text("data>=3\n")
    assert resolve(file, ["page"], "3.12") == []
    said = resolve(file, ["page[more]==6.0"], "3.12")
    assert re.fullmatch(  # pip 26 names `page` as well
        r"Cannot install data>=3(, page)? and page\[more\]==6\.0 because these package versions have conflicting dependencies\.",
        said[0],
    )
    assert "The user requested data>=3" in said
    assert 'page[more] 6.0 depends on data<=2; extra == "more"' in said


def test_a_version_that_there_is_not_is_told_with_the_newest_that_there_are(wheels: Wheelhouse, file: Path) -> None:
    wheels.add("data", "0.9")
    file.write_text("data>=4\n")
    assert resolve(file, [], "3.12") == [
        "Could not find a version that satisfies the requirement data>=4 (newest: 1.0, 2.0, 3.0)",
        "No matching distribution found for data>=4",
    ]


def test_a_package_without_a_wheel_for_that_python_is_told(wheels: Wheelhouse, file: Path) -> None:
    wheels.add("compiled", "1.0", tag="cp312-none-any")
    file.write_text("compiled\n")
    assert resolve(file, [], "3.12") == []
    assert resolve(file, [], "3.13")[-1] == "No matching distribution found for compiled"


def test_a_missing_index_is_no_conflict(wheels: Wheelhouse, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/")
    monkeypatch.setenv("PIP_RETRIES", "0")
    file.write_text("data>=1\n")
    with pytest.raises(ResolutionUnavailable) as raised:
        resolve(file, [], "3.12")
    assert str(raised.value) == (
        "The package index can't be reached, so nobody knows whether requirements.txt can be installed. Look at the "
        f"network, and at pip's settings: {sys.executable} -m pip config list"
    )
