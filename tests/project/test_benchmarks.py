"""The benchmark runs real systems; what it counts is as claimed, and what it writes down can be read as it is meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import main
from benchmarks.measurements.simulation import LOADS, Engine, engines, percentile, plot, table, waits
from benchmarks.report import excerpt, record
from benchmarks.systems.processes import Load, running


def test_stop_ends_this_apps_model_and_leaves_the_baselines_running(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "results.json"
    assert main(["--quick", "--json", str(file)]) == 0
    written = json.loads(file.read_text("utf-8"))
    baseline, *ours = written["rows"]
    assert [row["system"] for row in (baseline, *ours)] == ["baseline", "batching"]
    assert all(row["passes_after_stop"] <= 1 for row in ours)
    assert baseline["passes_after_stop"] > 10
    for row in (baseline, *ours):
        least, most = row["spread"]["tokens_per_second"]
        assert least <= row["tokens_per_second"] <= most
        assert row["kilobytes_per_1000_tokens"] > 0
    assert set(written["versions"]) == {"python", "torch", "transformers", "gradio"}
    assert written["load_average_at_start"] >= 0
    header, _, *rows, empty, path = capsys.readouterr().out.splitlines()
    assert header.startswith("| system ")
    assert [row.split()[1] for row in rows] == ["baseline", "batching"]
    assert (empty, path) == ("", f"Written to {file}")


def test_a_system_that_can_not_serve_the_model_is_left_out_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    with running(["generate"], Load("./models/elsewhere", "Hello", 8), concurrency=1) as systems:
        assert systems == []
    assert capsys.readouterr().err.startswith("generate is left out: The model could not be loaded. ")


ONE = Engine("one", batch=1, single=0.02, further=0.0)
MANY = Engine("many", batch=16, single=0.02, further=0.005)


def test_a_simulated_request_without_others_waits_for_one_pass() -> None:
    assert sorted(waits(ONE, per_hour=0.01))[300] == pytest.approx(0.02)


def test_a_simulated_queue_grows_with_the_load_and_batching_shortens_it() -> None:
    assert percentile(ONE, 30) < percentile(ONE, 240) < percentile(ONE, 960)
    assert percentile(MANY, 960) < percentile(ONE, 960)


def row(system: str, concurrency: int, speed: float, weights: str = "float32") -> dict[str, object]:
    return {
        "system": system, "weights": weights, "concurrency": concurrency, "tokens_per_second": speed,
        "first_token_slowest": 0.5, "passes_after_stop": 0,
    }  # fmt: skip


def test_the_simulation_takes_its_passes_from_a_record(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    rows = [("baseline", 1, 10), ("generate", 1, 20), ("generate", 4, 20), ("batching", 1, 20), ("batching", 4, 50)]
    rows += [("baseline + kernels", 1, 15), ("transformers serve", 1, 15)]
    file.write_text(json.dumps({"rows": [row(*each) for each in rows]}))
    generate, batching = engines(file)
    assert (generate.batch, generate.seconds(1)) == (1, 0.05)
    assert (batching.batch, batching.seconds(1)) == (4, 0.05)
    assert batching.seconds(4) == pytest.approx(4 / 50)


def test_the_simulation_is_shown_as_a_table_and_a_plot() -> None:
    found = {"generate": [0.1] * len(LOADS), "batching": [0.2] * len(LOADS)}
    assert table(found).splitlines()[0] == "| requests an hour | generate | batching |"
    assert plot(found).startswith("<svg ")
    assert plot(found).count("<polyline") == 2


def test_the_readme_shows_the_record_that_is_kept() -> None:
    kept = json.loads(excerpt.RECORD.read_text("utf-8"))
    shown = excerpt.SECTION.search(excerpt.README.read_text("utf-8"))
    assert shown
    assert shown.group() == excerpt.section(kept)
    assert excerpt.PLOT.read_text("utf-8") == excerpt.plot(kept)
    assert excerpt.plot(kept).count("<polyline") == len({row["system"] for row in kept["rows"]})


def flat(kept: dict[str, Any]) -> str:
    return excerpt.section(kept).replace("\n", " ")


def test_the_excerpt_compares_equal_number_formats_only() -> None:
    rows = [row("baseline", 1, 20), row("batching", 1, 30), row("baseline", 32, 10), row("batching", 32, 90)]
    rows += [row("batching int8", 32, 130, "int8")]
    text = flat({"date": "1 May 2026", "cores": 2, "rows": rows})
    assert "| 1 | batching | float32 | 30 | 1.5 | 0.50 | 0 |" in text
    assert "| 32 | batching | float32 | 90 | 9.0 | 0.50 | 0 |" in text
    assert "| 32 | batching | int8 | 130 |  | 0.50 | 0 |" in text
    assert "int8 is not compared with the baseline, which runs in float32." in text


def test_the_excerpt_says_which_part_of_a_gain_is_kernels_and_what_an_older_run_lacks() -> None:
    rows = [row("baseline", 1, 20), row("batching", 1, 30)]
    old = {"date": "1 May 2026", "cores": 2, "rows": rows}
    assert "This run did not measure the two separately; [packing alone]" in flat(old)
    assert flat(old).startswith(
        "1 May 2026, 2 cores without a GPU. Not recorded then: processor, load average at the start, versions, commit, "
        "spread. A random Llama"
    )
    rows = [row("baseline", 32, 10), row("baseline + kernels", 32, 20), row("batching", 32, 90)]
    rows = [{**each, "spread": {"tokens_per_second": [9, 91]}} for each in rows]
    new = {"processor": "A processor", "load_average_at_start": 0.25, "versions": {"torch": "2.13"}, "commit": "abc"}
    text = flat({**old, **new, "rows": rows})
    assert text.startswith(
        "1 May 2026, 2 cores without a GPU, A processor, load average 0.2 at the start, torch 2.13, commit abc, medians over "
        "the rounds, with minimum and maximum. A random Llama"
    )
    assert "| 32 | batching | float32 | 90 (9 to 91) | 9.0 | 0.50 | 0 |" in text
    assert (
        "With 32 clients, the factor from kernels (packed layers, thread counts) is 2.0, that from streaming and batching "
        "4.5." in text
    )


def test_the_processor_is_named(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: AMD EPYC\n")
    assert record.processor(tmp_path / "cpuinfo") == "AMD EPYC"
    assert record.processor(tmp_path / "absent")
