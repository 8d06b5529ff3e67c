"""What all tests of engines have in common."""

from __future__ import annotations

import pytest

from streamspace import switches


@pytest.fixture(autouse=True)
def every_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events come one by one, as the model wrote them; test_outbox.py has what becomes of them otherwise."""
    monkeypatch.setenv(switches.VARIABLE, "pacing")
