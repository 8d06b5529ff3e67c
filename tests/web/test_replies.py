"""What the page is told of a reply, in the visitor's language."""

from __future__ import annotations

from typing import Any

import pytest

from streamspace.errors import StreamspaceError
from streamspace.events import Finished, Part
from streamspace.i18n import t
from streamspace.reply.measure import Measure
from streamspace.reply.progress import Progress
from streamspace.web.page import replies

HM = Part("reasoning", "Hm")
END = Finished("length", 1234, 0.25, 77.3125)
QUIET = {"notice": "", "status": "", "ended": "", "figures": "", "error": ""}
LENGTH = "Stopped at the maximum reply length: press Continue, or raise it in the settings"


def part(kind: str, text: str, seconds: float = 0.0) -> dict[str, Any]:
    return {"kind": kind, "text": text, "seconds": seconds}


@pytest.mark.parametrize(
    ("progress", "expected"),
    [
        (Progress(), {"parts": [], "state": "writing", "status": "Waiting for the model…"}),
        (
            Progress((Part("answer", "Hi <b>"),), phase="decode"),
            {"parts": [part("answer", "Hi <b>", 1.3)], "state": "writing", "status": "Writing…"},
        ),
        (
            Progress((HM, Part("answer", "Yes"), Part("tool_call", "{}")), end=END),
            {
                "parts": [part("reasoning", "Hm", 1.3), part("answer", "Yes", 2.0), part("tool_call", "{}")],
                "state": "length", "ended": LENGTH, "figures": "1,234 tokens, the first after 0.25 s, 16 tokens/s",
            },
        ),
        (
            Progress(dropped_messages=2, dropped_images=1, phase="prefill"),
            {
                "parts": [], "state": "writing", "status": "Processing the prompt…",
                "notice": "Messages left out to fit the context window, oldest first: 2 · "
                "Images left out, oldest first: 1",
            },
        ),
    ],
)  # fmt: skip
def test_a_reply_is_its_parts_its_state_and_words_for_a_person(progress: Progress, expected: dict[str, Any]) -> None:
    assert replies.reply(progress, [1.26, 2.0]) == {**QUIET, **expected}


@pytest.mark.parametrize(
    ("reason", "state", "words"),
    [
        ("stop", "done", ""),
        ("cancelled", "stopped", "Stopped"),
        ("length", "length", LENGTH),
        ("timeout", "timeout", "The requested GPU time has run out: press Continue to go on"),
    ],
)
def test_why_it_ended_is_said_once_and_only_where_it_matters(reason: Any, state: str, words: str) -> None:
    shown = replies.reply(Progress(end=Finished(reason, 1, 0.25, 0.25)))
    assert (shown["state"], shown["ended"]) == (state, words)
    assert shown["figures"] == "1 tokens, the first after 0.25 s"


@pytest.mark.parametrize(("tokens", "duration"), [(1, 0.75), (0, 0.0), (2, 0.25)])
def test_a_speed_is_told_where_there_is_one(tokens: int, duration: float) -> None:
    assert replies.figures(Finished("stop", tokens, 0.25, duration)) == f"{tokens} tokens, the first after 0.25 s"


def test_two_tokens_have_a_speed() -> None:
    assert replies.figures(Finished("stop", 2, 0.25, 0.35)) == "2 tokens, the first after 0.25 s, 10 tokens/s"


def test_what_is_shown_is_in_the_visitors_language() -> None:
    note = t("status.downloading", name="owner/<name>", done=1.25, whole=9.0)
    assert replies.reply(Progress(note=note, dropped_images=1), language="de") == {
        **QUIET, "parts": [], "state": "writing", "notice": "Weggelassene Bilder, die ältesten zuerst: 1",
        "status": "owner/<name> wird heruntergeladen: 1,2 von 9,0 GB …",
    }  # fmt: skip


def test_an_error_comes_with_what_was_written_before_it() -> None:
    show = replies.shows("a", (), "en")
    show(Progress((HM,)), None)
    shown = show(Progress((HM,)), StreamspaceError("no"))
    assert (shown["id"], shown["state"], shown["error"]) == ("a", "failed", "no")
    assert shown["parts"][0]["text"] == "Hm"


@pytest.mark.parametrize("new", ["", "c"])
def test_a_completion_that_goes_on_is_one_text(new: str) -> None:
    progress = Progress((Part("answer", new),) if new else ())
    shown = replies.shows("a", (Part("answer", "ab"),), "en")(progress, None)
    assert [each["text"] for each in shown["parts"]] == ["ab" + new]


@pytest.mark.parametrize(
    ("measure", "words"),
    [
        (Measure(), ""),
        (Measure(3100, 8192), "3,100 of 8,192 tokens"),
        (Measure(3100, 8192, 24), "3,100 of 8,192 tokens · The next reply requests up to 24 s of your GPU quota"),
        (Measure(seconds=24), "The next reply requests up to 24 s of your GPU quota"),
    ],
)
def test_a_draft_is_measured_in_words(measure: Measure, words: str) -> None:
    assert replies.measured(measure) == words


def test_a_tool_call_is_not_continued() -> None:
    begun = [part("reasoning", "Hm"), part("tool_call", "{}"), part("answer", "a")]
    assert replies.parts(begun) == (HM, Part("answer", "a"))
