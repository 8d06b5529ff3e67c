"""The number of threads: as many as the container may really use."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamspace.model.cores import cores


@pytest.fixture(autouse=True)
def _eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)


@pytest.mark.parametrize(
    ("share", "announced", "expected"),
    [
        (None, "", (8, "this process may use so many cores")),
        ("max 100000", "", (8, "this process may use so many cores")),
        ("150000 100000", "", (2, "the container's share of time is so much")),
        (None, "2", (2, "the Space says so")),
        ("50000 100000", "2", (1, "the container's share of time is so much")),
        ("400000 100000", "many", (4, "the container's share of time is so much")),
        (None, "0", (1, "the Space says so")),
    ],
)
def test_the_smallest_limit_counts(
    tmp_path: Path, share: str | None, announced: str, expected: tuple[int, str]
) -> None:
    quota = tmp_path / "cpu.max"
    if share:
        quota.write_text(share)
    assert cores({"CPU_CORES": announced}, quota) == expected
