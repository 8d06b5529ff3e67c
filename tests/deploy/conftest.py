"""The stand-in Hub, a checkout that deploys to it, and a Space that runs there."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator

import pytest

from tests.standins.hub.checkout import Checkout, Said
from tests.standins.hub.repos import Repo
from tests.standins.hub.server import Hub

TINY = ("deploy", "owner/demo", "--config", "tiny")


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repo]:
    """The Space after a first deploy, which is the same for all tests that go on from it."""
    folder = tmp_path_factory.mktemp("first")
    running = Hub(folder / "hub")
    deployed(Checkout(folder / "work", running))
    yield running.repos["spaces/owner/demo"]
    running.end()


@pytest.fixture
def live(first: Repo, hub: Hub) -> Repo:
    """That Space in this test's Hub, running."""
    space = copy.deepcopy(first)
    hub.add_space(space)
    until = time.monotonic() + 20
    while hub.machines["owner/demo"].stage != "RUNNING" and time.monotonic() < until:
        time.sleep(0.02)
    return space


def deployed(here: Checkout, *more: str, **settings: object) -> Said:
    """The first deploy, which works."""
    said = here.run(*TINY, *more, **settings)  # type: ignore[arg-type]
    assert (said.code, said.err) == (0, ""), said
    return said
