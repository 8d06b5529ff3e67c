"""requirements.txt and what the Hub installs beside it: one version of each package has to meet both."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.version import Version

from streamspace.checks import packages, platform
from streamspace.hub import card, requirements
from tests.standins.hub.checkout import Checkout
from tests.standins.wheelhouse import Wheelhouse

GRADIO, SPACES = metadata.version("gradio"), metadata.version("spaces")
INSTALLED = [f"gradio=={GRADIO}", "spaces>=0.51"]
END = "No version meets both, so the Hub's build would fail. Change the line, for example to: "


def said(*lines: str, hardware: str = "cpu-basic") -> list[str]:
    return [str(finding) for finding in packages.conflicts(hardware, requirements.parse([*INSTALLED, *lines]))]


@pytest.mark.parametrize("hardware", ["cpu-basic", "zero-a10g"])
def test_the_shipped_requirements_go_together_with_the_hubs(hardware: str) -> None:
    assert list(packages.conflicts(hardware, requirements.read())) == []


@pytest.fixture
def mcp_pydantic() -> str:
    """What gradio[mcp] requires of pydantic, as the installed one says it."""
    found = [Requirement(line) for line in metadata.requires("gradio") or []]
    return next(f"pydantic{r.specifier}" for r in found if r.name == "pydantic" and "mcp" in str(r.marker))


def test_a_floor_above_the_ceiling_of_gradios_extra_names_both_lines(mcp_pydantic: str) -> None:
    """`pydantic>=2.14` was in requirements.txt, and every build on the Hub failed."""
    assert said("pydantic>=2.99") == [
        f"requirements.txt: pydantic: expected a version that meets {mcp_pydantic!r}, which gradio[mcp] {GRADIO} requires, "
        f"got 'pydantic>=2.99'. {END}{mcp_pydantic}"
    ]


def test_a_pin_below_the_floor_of_gradio_itself_is_an_error() -> None:
    (found,) = said("huggingface_hub==0.30.0")
    assert found.startswith("requirements.txt: huggingface_hub: expected a version that meets 'huggingface-hub<")
    assert f", which gradio {GRADIO} requires, got 'huggingface_hub==0.30.0'. " in found


def test_a_pin_that_gradio_pins_otherwise_is_an_error_with_a_lower_bound_as_the_example() -> None:
    client = metadata.version("gradio_client")
    assert said(f"gradio_client=={client}") == []
    assert said("gradio_client==1.0.0") == [
        f"requirements.txt: gradio_client: expected a version that meets 'gradio-client=={client}', which gradio {GRADIO} "
        f"requires, got 'gradio_client==1.0.0'. {END}gradio-client>={client}"
    ]


def test_what_the_hub_itself_adds_counts_and_zerogpu_adds_more() -> None:
    assert said("websockets<10") == [
        "requirements.txt: websockets: expected a version that meets 'websockets>=10.4', which the Hub installs, got "
        f"'websockets<10'. {END}websockets>=10.4"
    ]
    assert said("torch==99.0") == []
    assert said("torch==99.0", hardware="zero-a10g")[0].startswith(
        f"requirements.txt: torch: expected a version that meets 'torch<={platform.ZEROGPU_TORCH[-1]}', which the Hub installs"
    )
    newer = said("spaces>=99", hardware="zero-a10g")
    assert newer[0].endswith(f"Change the line, for example to: spaces>={platform.ZEROGPU_SPACES}")


@pytest.mark.skipif(SPACES != platform.ZEROGPU_SPACES, reason="another `spaces` is installed than ZeroGPU's")
def test_what_zerogpus_own_spaces_requires_counts_too() -> None:
    assert f"which spaces {SPACES} requires" in said("requests<2", hardware="zero-a10g")[0]


def test_the_metadata_of_another_gradio_than_the_one_asked_for_says_nothing() -> None:
    wanted = requirements.parse(["gradio==5.0.0", "pydantic>=99"])
    assert list(packages.conflicts("cpu-basic", wanted)) == []
    assert list(packages.conflicts("cpu-basic", requirements.parse(["gradio>=5", "websockets<10"]))) == []


def test_check_says_it_without_a_network(tmp_path: Path) -> None:
    here = Checkout(tmp_path / "work", None)
    here.write("requirements.txt", f"gradio=={GRADIO}\nspaces>=0.51\nwebsockets<10\n")
    bad = here.run("check", "tiny")
    assert (bad.code, bad.err.splitlines()) == (2, said("websockets<10"))


VERSIONS = st.builds(
    lambda numbers, end: ".".join(map(str, numbers)) + end,
    st.lists(st.integers(0, 3), min_size=1, max_size=3),
    st.sampled_from(["", "", "", "rc1", ".post1", ".dev0"]),
)
CLAUSES = st.builds("{}{}".format, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), VERSIONS)
RANGES = st.lists(CLAUSES, max_size=3).map(",".join)


@given(RANGES, RANGES, st.lists(VERSIONS, min_size=1, max_size=30))
@example(">=2.14", "<=2.12.5,>=2.11.10", ["2.12.5", "2.14"])
@example(">=2.11.10", "<=2.12.5,>=2.11.10", ["2.12.5"])
def test_no_version_meets_both_of_two_that_are_told_unmeetable(one: str, other: str, versions: list[str]) -> None:
    ours, theirs = Requirement(f"a{one}"), Requirement(f"a{other}")
    bounds = [clause.version for asked in (ours, theirs) for clause in asked.specifier]
    meeting = [
        version
        for version in map(Version, [*versions, *bounds])
        if all(asked.specifier.contains(version, prereleases=True) for asked in (ours, theirs))
    ]
    assert not (meeting and packages.unmeetable(ours, theirs)), meeting
    assert packages.unmeetable(ours, theirs) == packages.unmeetable(theirs, ours)


@given(st.lists(VERSIONS, min_size=2, max_size=2, unique_by=Version))
def test_a_floor_above_a_ceiling_is_unmeetable_and_the_reverse_is_not(versions: list[str]) -> None:
    low, high = sorted(versions, key=Version)
    assert packages.unmeetable(Requirement(f"a>={high}"), Requirement(f"a<={low}"))
    assert not packages.unmeetable(Requirement(f"a>={low}"), Requirement(f"a<={high}"))


@pytest.fixture
def here(tmp_path: Path) -> Checkout:
    """A checkout whose requirements.txt asks for little."""
    made = Checkout(tmp_path / "work", None)
    made.write("requirements.txt", f"gradio=={GRADIO}\nspaces>=0.51\ndata>=3\n")
    return made


@pytest.fixture
def wheels(tmp_path: Path) -> Wheelhouse:
    """An index with what the Hub adds."""
    made = Wheelhouse(tmp_path / "wheels")
    made.add("gradio", GRADIO, ["data<=2; extra == 'mcp'"], extras=["oauth", "mcp"])
    for name, version in (("uvicorn", "1.0"), ("websockets", "11.0"), ("spaces", platform.ZEROGPU_SPACES)):
        made.add(name, version)
    made.add("data", "2.0")
    made.add("data", "3.0")
    return made


def test_check_build_fails_with_pips_own_lines_where_the_hub_would(here: Checkout, wheels: Wheelhouse) -> None:
    bad = here.run("check", "tiny", "--build", env=wheels.env)
    assert bad.code == 2
    assert bad.err.startswith(
        f"requirements.txt: pip can't install it for Python {card.PYTHON} together with what the Hub adds: "
        f"gradio[oauth,mcp]=={GRADIO} uvicorn>=0.14.0 websockets>=10.4 spaces. The Hub's build would fail the same way:\n"
        "  Cannot install data>=3 and gradio[mcp,oauth]"
    )
    assert "\n  The user requested data>=3\n" in bad.err
    here.change("requirements.txt", "data>=3", "data")
    well = here.run("check", "tiny", "--build", env=wheels.env)
    assert (well.code, well.out) == (0, "1 config file: no problems\n")


def test_check_build_without_an_index_says_so_and_nothing_of_a_conflict(here: Checkout) -> None:
    nowhere = {
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_INDEX_URL": "http://127.0.0.1:9/",
        "PIP_RETRIES": "0",
        "PIP_FIND_LINKS": "",
    }
    failed = here.run("check", "tiny", "--build", env=nowhere)
    assert failed.code == 1
    assert failed.err.startswith("The package index can't be reached, so nobody knows whether requirements.txt can be")
