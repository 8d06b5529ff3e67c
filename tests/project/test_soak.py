"""The soak's judge: it passes an app that keeps the rules, and names each rule that one breaks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scripts.soak.__main__ import main
from scripts.soak.doors import DOORS
from scripts.soak.judge import Found, broken, report
from scripts.soak.process import Quiet
from scripts.soak.visitors import Visit, difference

GOOD = Found(
    [Visit(door, "whole", "same", first=0.25) for door in DOORS],
    Quiet(chats=500, busy=0, files=11, threads=10, used=300_000_000, resident=600_000_000),
    Quiet(chats=1000, busy=0, files=11, threads=10, used=302_000_000, resident=640_000_000),
    stall=0.4,
)


def test_an_app_that_keeps_the_rules_passes_with_its_figures() -> None:
    assert list(broken(GOOD)) == []
    told = list(report(GOOD))
    assert "     1 mcp, whole: same" in told
    assert "worst first token: 0.25 s, the wait in the queue included" in told
    assert told[-1] == "kept of a chat: 4000 bytes"


@pytest.mark.parametrize(
    ("found", "rule"),
    [
        (replace(GOOD, visits=[*GOOD.visits, Visit("page", "slow", "differs", "'b' for 'a'")]),
         "no character is lost or mixed up: page, slow: 'b' for 'a'"),
        (replace(GOOD, visits=[*GOOD.visits, Visit("mcp", "whole", "failed", "no end within 60 s")]),
         "every request is answered: mcp, whole: no end within 60 s"),
        (replace(GOOD, visits=GOOD.visits[:-1]), "every door has replies that were compared: none of mcp"),
        (replace(GOOD, after=replace(GOOD.after, busy=1)), "every place is free in the end: 1 are taken"),
        (replace(GOOD, after=replace(GOOD.after, threads=11)),
         "no thread is left: 10 after the first half, 11 in the end"),
        (replace(GOOD, after=replace(GOOD.after, files=12)),
         "no file is left open: 11 after the first half, 12 in the end"),
        (replace(GOOD, after=replace(GOOD.after, used=302_505_000)), "a chat keeps at most 5000 bytes: 5010"),
        (replace(GOOD, stall=6), "the event loop answers within 5 s: it took 6.0 s"),
        (replace(GOOD, log="Traceback (most recent call last):"), "no traceback is printed: there is one in the log"),
        (replace(GOOD, code=-6), "the process ends in order: exit code -6"),
    ],
)  # fmt: skip
def test_each_rule_that_is_broken_is_named(found: Found, rule: str) -> None:
    assert list(broken(found)) == [rule]


def test_a_difference_is_told_by_its_place() -> None:
    assert difference("one to three", "one two three") == "'o three' for 'wo three' after 5 of 13 characters"
    assert difference("one", "one two") == "'' for ' two' after 3 of 7 characters"


def test_a_soak_finds_the_faults_of_an_app(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seconds", "4"], "tests/standins/apps/faulty_app.py", fresh=False) == 1
    told = capsys.readouterr().err
    for rule in (
        "no character is lost or mixed up: ",
        "no thread is left: ",
        "no file is left open: ",
        "a chat keeps at most ",
    ):
        assert f"broken: {rule}" in told
