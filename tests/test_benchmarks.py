"""The benchmark runs both real apps, and what it counts (not what it times) is as claimed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import main


def test_stop_ends_this_apps_model_and_leaves_the_naive_one_running(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "results.json"
    assert main(["--quick", "--json", str(file)]) == 0
    naive, ours = json.loads(file.read_text("utf-8"))["rows"]
    assert [naive["app"], ours["app"]] == ["naive", "generate"]
    assert ours["steps_after_stop"] <= 1
    assert naive["steps_after_stop"] > 10
    assert 0 < ours["kilobytes_per_1000_tokens"] < naive["kilobytes_per_1000_tokens"]
    header, _, *rows, empty, written = capsys.readouterr().out.splitlines()
    assert header.startswith("| app ")
    assert [row.split()[1] for row in rows] == ["naive", "generate"]
    assert (empty, written) == ("", f"Written to {file}")
