"""What can be taken out by the environment."""

from __future__ import annotations

import pytest

from streamspace import switches
from streamspace.errors import UsageError


def test_what_is_named_is_taken_out_and_the_rest_left_in(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(map(switches.is_on, switches.SWITCHES))
    monkeypatch.setenv(switches.VARIABLE, "pacing,process")
    assert [name for name in switches.SWITCHES if switches.is_on(name)] == ["packing", "threads"]


def test_a_name_that_there_is_not_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(switches.VARIABLE, "packing,proces")
    with pytest.raises(UsageError, match=r"^STREAMSPACE_WITHOUT: expected some of process,.*, got 'proces'$"):
        switches.is_on("packing")
