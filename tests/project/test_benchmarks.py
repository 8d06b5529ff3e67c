"""The benchmark runs both real apps, and what it counts (not what it times) is as claimed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.measurements.simulation import LOADS, Server, late, plot, servers, table, waits
from benchmarks.report import excerpt


def test_stop_ends_this_apps_model_and_leaves_the_naive_one_running(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "results.json"
    assert main(["--quick", "--json", str(file)]) == 0
    naive, *ours = json.loads(file.read_text("utf-8"))["rows"]
    assert [row["app"] for row in (naive, *ours)] == ["naive", "generate", "batching"]
    assert all(row["steps_after_stop"] <= 1 for row in ours)
    assert naive["steps_after_stop"] > 10
    assert all(row["kilobytes_per_1000_tokens"] > 0 for row in (naive, *ours))
    header, _, *rows, empty, written = capsys.readouterr().out.splitlines()
    assert header.startswith("| app ")
    assert [row.split()[1] for row in rows] == ["naive", "generate", "batching"]
    assert (empty, written) == ("", f"Written to {file}")


ONE = Server("one", places=1, alone=0.02, each=0.0)
MANY = Server("many", places=16, alone=0.02, each=0.005)


def test_a_simulated_visitor_who_is_alone_waits_for_one_pass() -> None:
    assert sorted(waits(ONE, per_hour=0.01))[300] == pytest.approx(0.02)


def test_a_simulated_queue_grows_with_the_load_and_places_shorten_it() -> None:
    assert late(ONE, 30) < late(ONE, 240) < late(ONE, 960)
    assert late(MANY, 960) < late(ONE, 960)


def test_the_simulation_takes_its_passes_from_a_benchmark(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    rows = [("naive", 1, 10), ("generate", 1, 20), ("generate", 4, 20), ("batching", 1, 20), ("batching", 4, 50)]
    file.write_text(
        json.dumps({"rows": [{"app": app, "visitors": n, "tokens_per_second": speed} for app, n, speed in rows]})
    )
    generate, batching = servers(file)
    assert (generate.places, generate.seconds(1)) == (1, 0.05)
    assert (batching.places, batching.seconds(1)) == (4, 0.05)
    assert batching.seconds(4) == pytest.approx(4 / 50)


def test_the_simulation_is_shown_as_a_table_and_a_plot() -> None:
    found = {"generate": [0.1] * len(LOADS), "batching": [0.2] * len(LOADS)}
    assert table(found).splitlines()[0] == "| questions an hour | generate | batching |"
    assert plot(found).startswith("<svg ")
    assert plot(found).count("<polyline") == 2


def test_the_readme_shows_the_figures_that_are_kept() -> None:
    figures = json.loads(excerpt.FIGURES.read_text("utf-8"))
    shown = excerpt.SECTION.search(excerpt.README.read_text("utf-8"))
    assert shown
    assert shown.group() == excerpt.section(figures)
    assert excerpt.PLOT.read_text("utf-8") == excerpt.plot(figures)
    assert excerpt.plot(figures).count("<polyline") == len({row["app"] for row in figures["rows"]})


def test_the_excerpt_compares_with_the_plain_app() -> None:
    rows = [
        {"app": app, "visitors": visitors, "tokens_per_second": speed, "first_slowest": 0.5, "steps_after_stop": stop}
        for app, visitors, speed, stop in [
            ("naive", 1, 20, 26),
            ("batching", 1, 30, 0),
            ("naive", 32, 10, 26),
            ("batching", 32, 90, 0),
        ]
    ]
    text = excerpt.section({"date": "1 May 2026", "cores": 2, "rows": rows})
    assert "| 1 | batching | 30 | 1.5 | 0.50 | 0 |" in text
    assert "| 32 | batching | 90 | 9.0 | 0.50 | 0 |" in text
