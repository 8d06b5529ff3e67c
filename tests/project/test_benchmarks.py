"""The benchmark runs real systems; what it counts is as claimed, and what it writes down can be read as it is meant."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import main
from benchmarks.clients import light
from benchmarks.measurements.simulation import (
    LOADS,
    TOKENS,
    Engine,
    engines,
    erlang_wait,
    machines_needed,
    percentile,
    plot,
    table,
    waits,
)  # fmt: skip
from benchmarks.report import excerpt, record, tables
from benchmarks.systems.contestants import NAMED, SWITCHES, groups
from benchmarks.systems.models import Load
from benchmarks.systems.processes import running
from streamspace import switches
from tests.running import ROOT


def test_one_who_leaves_ends_this_apps_model_and_not_the_baselines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "results.json"
    assert main(["--quick", "--json", str(file)]) == 0
    written = json.loads(file.read_text("utf-8"))
    (baseline, ours) = written["models"][0]["groups"][0]
    assert (baseline["system"], ours["system"]) == ("baseline", "batching")
    assert baseline["rounds"]["after_leaving"][0] > 0.5 > ours["rounds"]["after_leaving"][0]
    for figures in (baseline["rounds"], ours["rounds"]):
        assert figures["tokens/2"][0] <= written["tokens"]
        assert all(values[0] > 0 for name, values in figures.items() if name != "after_leaving")
    assert set(written["versions"]) == {"python", "torch", "transformers", "gradio", "xllamacpp"}
    assert written["load_average_at_start"] >= 0
    model, _, header, _, *rows, empty, path = capsys.readouterr().out.splitlines()
    assert model.startswith("The embedded model: One round only. The client takes 0.")
    assert header.split() == ["|", "system", "|", "baseline", "|", "batching", "|"]
    assert len(rows) == 1 + len(tables.COLUMNS)
    assert (empty, path) == ("", f"Written to {file}")


def test_a_system_that_can_not_serve_the_model_is_left_out_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    load = Load("none", ROOT / "models/elsewhere", "Hello", 8, len)
    with running([NAMED["llamacpp"], NAMED["generate"]], load) as systems:
        assert systems == []
    first, second = capsys.readouterr().err.splitlines()
    assert first == "llamacpp is left out: the model isn't a Llama"
    assert second.startswith("generate is left out: The model could not be loaded. ")


def test_each_switch_takes_one_thing_out_of_a_contestant() -> None:
    assert {each.env[switches.VARIABLE] for each in SWITCHES if switches.VARIABLE in each.env} == set(switches.SWITCHES)
    for each in SWITCHES:
        whole = NAMED[each.of]
        changed = {name: value for name, value in each.changes.items() if whole.changes.get(name) != value}
        assert len(changed) + len(each.env) == 1
    names = [each.name for group in groups() for each in group]
    assert set(names) == {*NAMED, *(each.name for each in SWITCHES)}


def test_the_light_client_reads_a_stream_whatever_its_pieces_are() -> None:
    piece = 'data: {"choices": [{"delta": {"content": "%s"}}]}\n\n'
    stream = (
        piece % "One" + piece % "" + piece % " two" + 'data: {"choices": [], "usage": {"prompt_tokens": 3}}\n\n'
    ).encode()
    halves = [(1.0, stream[:70]), (2.0, stream[70:])]
    assert light.read(halves) == light.Reply("One two", [1.0, 2.0], len(stream), {"prompt_tokens": 3})
    with pytest.raises(RuntimeError, match="the server says full"):
        light.read([(1.0, b'data: {"error": "full"}\n\n')])


ONE = Engine("one", batch=1, single=0.02, further=0.0)
MANY = Engine("many", batch=16, single=0.02, further=0.005)


def test_a_simulated_request_without_others_waits_for_one_pass() -> None:
    assert sorted(waits(ONE, per_hour=0.01))[300] == pytest.approx(0.02)


def test_a_simulated_queue_grows_with_the_load_and_batching_shortens_it() -> None:
    assert percentile(ONE, 30) < percentile(ONE, 240) < percentile(ONE, 960)
    assert percentile(MANY, 960) < percentile(ONE, 960)


@pytest.mark.parametrize("places", [1, 8])
@pytest.mark.parametrize("use", [0.5, 0.8])
def test_a_simulated_queue_is_that_of_queueing_theory(places: int, use: float) -> None:
    engine = Engine("as long a pass for many as for one", batch=places, single=0.02, further=0.0)
    per_hour = use * places * 3600 / (TOKENS * engine.single)
    found = [statistics.mean(waits(engine, per_hour, seed, requests=4000)) for seed in range(8)]
    assert statistics.mean(found) == pytest.approx(erlang_wait(engine, per_hour), rel=0.15, abs=2 * engine.single)


def test_machines_that_share_a_queue_serve_as_many_more() -> None:
    assert percentile(MANY, 4 * 1500, machines=4) < percentile(MANY, 1500)
    assert machines_needed(MANY, 240) == 1
    assert 3 <= machines_needed(ONE, 2000) <= 6  # of which 2.8 are busy


def row(system: str, *speeds: float, of: str = "", switch: str = "") -> dict[str, Any]:
    """A system with these tokens/s of one visitor, and four times as many of eight, in as many rounds."""
    shared = ("slowest/8", "stall/8", "gap/8", "turn_warm", "repeating", "client_cpu/1")
    figures = {"tokens_per_second/1": [*speeds], "tokens_per_second/8": [4 * each for each in speeds]}
    return {
        "system": system, "weights": "float32", "of": of, "switch": switch,
        "rounds": {**figures, **{name: [0.5] * len(speeds) for name in shared}},
    }  # fmt: skip


def kept(*groups: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "date": "1 May 2026", "cores": 2, "processor": "A processor", "load_average_at_start": 0.25,
        "versions": {"torch": "2.13"}, "commit": "abc", "visitors": [1, 8], "tokens": 64, "rounds": 3,
        "models": [{"name": "a model", "groups": [*groups]}],
        "zerogpu": [{"turn": "later turn", "prompt": 700, "read": 30, "asked": 4.0}],
    }  # fmt: skip


def test_the_simulation_takes_its_passes_from_a_record(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    file.write_text(
        json.dumps(kept([row("no model", 99), row("baseline", 10), row("generate", 20), row("batching", 20)]))
    )
    generate, batching = engines(file)
    assert (generate.batch, generate.seconds(1)) == (1, 0.05)
    assert (batching.batch, batching.seconds(1)) == (8, 0.05)
    assert batching.seconds(8) == pytest.approx(8 / 80)


def test_the_simulation_is_shown_as_a_table_and_a_plot() -> None:
    found = {"generate": [0.1] * len(LOADS), "batching": [0.2] * len(LOADS)}
    assert table(found).splitlines()[0] == "| requests an hour | generate | batching |"
    assert plot(found).startswith("<svg ")
    assert plot(found).count("<polyline") == 2


def test_the_readme_and_the_page_on_scaling_show_the_record_that_is_kept() -> None:
    record = json.loads(excerpt.RECORD.read_text("utf-8"))
    for path, text in ((excerpt.README, excerpt.section(record)), (excerpt.SCALING, excerpt.whole(record))):
        shown = excerpt.SECTION.search(path.read_text("utf-8"))
        assert shown
        assert shown.group() == text
    assert excerpt.PLOT.read_text("utf-8") == excerpt.plot(record)


def cells(text: str, start: str) -> list[str]:
    """The cells of the table's row that begins so."""
    (line,) = (line for line in text.splitlines() if line.startswith(f"| {start} "))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_excerpt_says_how_it_was_measured_and_how_much_the_rounds_differ() -> None:
    text = excerpt.section(kept([row("baseline", 18, 20, 22)]))
    assert text.replace("\n", " ").startswith(
        "1 May 2026, 2 cores without a GPU, A processor, load average 0.2 at the start, torch 2.13, commit abc. Replies "
        "of 64 tokens, medians of 3 interleaved rounds. All visitors ask at the same moment"
    )
    assert "Between the rounds, tokens/s of a system differ by 20% (median; at most 20%)." in text.replace("\n", " ")
    assert cells(text, "baseline") == [
        "baseline", "float32", "20 (18 to 22)", "80 (72 to 88)", "0.50", "500", "0.50", "-", "-",
    ]  # fmt: skip


def test_what_a_speedup_is_worth_is_paired_by_rounds() -> None:
    pair = [row("batching", 30, 20, 24), row("batching without x", 20, 10, 8, of="batching", switch="x")]
    text = excerpt.whole(kept([row("batching", 30, 20, 24)], pair))
    assert cells(text, "x")[:4] == ["x", "batching", "2.00 (1.50 to 3.00)", "2.00 (1.50 to 3.00)"]
    assert cells(text, "later turn") == ["later turn", "700", "30", "4"]


def test_the_plot_has_a_bar_for_each_system_with_a_model() -> None:
    drawn = excerpt.plot(kept([row("no model", 99), row("baseline", 10), row("batching", 20)]))
    assert drawn.count("<rect x=") == 4
    assert "no model" not in drawn


def test_the_processor_is_named(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: AMD EPYC\n")
    assert record.processor(tmp_path / "cpuinfo") == "AMD EPYC"
    assert record.processor(tmp_path / "absent")
