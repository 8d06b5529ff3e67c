"""A reply's progress as messages of the chatbot and as a status line."""

from __future__ import annotations

from typing import Any

import pytest

from streamspace.events import Finished, Part
from streamspace.i18n import t
from streamspace.reply.progress import Progress
from streamspace.web.page import bubbles
from streamspace.web.page.markup import MARK

HM = Part("reasoning", "Hm")
END = Finished("length", 9, 0.25, 0.75)
FIGURES = "9 tokens, the first after 0.25 s, 16 tokens/s · maximum reply length reached"


def part(content: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": content}]


def bot(content: Any, **metadata: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, "metadata": metadata or None}


@pytest.mark.parametrize(
    ("progress", "expected"),
    [
        (Progress(), []),
        (Progress((Part("answer", "Hi <b>"),)), [bot(part(f"Hi <{MARK}b>"))]),
        (Progress((HM,)), [bot(part("Hm"), title="Thinking…", status="pending")]),
        (
            Progress((HM, Part("answer", "Yes"), Part("tool_call", "{}")), end=END),
            [
                bot(part("Hm"), title="Thoughts", status="done", duration=1.3),
                bot(part("Yes")),
                bot(part("```\n{}\n```"), id="tool_call", title="Tool call"),
                bot(part(f'<span class="figures">{FIGURES}</span>'), id="figures"),
            ],
        ),
        (
            Progress((HM,), end=END),  # ended while it reasoned
            [
                bot(part("Hm"), title="Thoughts", status="done", duration=1.3),
                bot(part(f'<span class="figures">{FIGURES}</span>'), id="figures"),
            ],
        ),
    ],
)
def test_a_reply_is_shown_as_its_reasoning_its_answer_and_its_figures(
    progress: Progress, expected: list[dict[str, Any]]
) -> None:
    assert bubbles.messages(progress, [1.26, 2.0]) == expected


@pytest.mark.parametrize(("tokens", "duration"), [(1, 0.75), (0, 0.0), (2, 0.25)])
def test_a_speed_is_told_where_there_is_one(tokens: int, duration: float) -> None:
    assert bubbles.figures(Finished("stop", tokens, 0.25, duration)) == (
        f"{tokens} tokens, the first after 0.25 s · finished"
    )


def test_two_tokens_have_a_speed() -> None:
    assert bubbles.figures(Finished("stop", 2, 0.25, 0.35)).startswith("2 tokens, the first after 0.25 s, 10 tokens/s")


@pytest.mark.parametrize(
    ("progress", "expected"),
    [
        (Progress(), "<p>Waiting for the model…</p>"),
        (Progress(phase="decode"), "<p>Writing…</p>"),
        (Progress(position=2), "<p>Number 2 in the queue…</p>"),
        (Progress(note="Loading <x>", position=2), "<p>Loading &lt;x&gt;…</p>"),
        (Progress(end=Finished("stop", 1, 0, 0)), "<p>Finished</p>"),
        (Progress(end=Finished("cancelled", 1, 0, 0)), "<p data-more>Stopped</p>"),
        (Progress(end=END), "<p data-more>Stopped at the maximum reply length: press Continue, or raise it in the settings</p>"),
        (
            Progress(end=Finished("timeout", 1, 0, 0)),
            "<p data-more>The requested GPU time has run out: press Continue to go on</p>",
        ),
        (
            Progress(phase="prefill", dropped_messages=2, dropped_images=1),
            "<p>The 2 oldest messages don&#x27;t fit the context window and were left out · "
            "Images left out, oldest first: 1 · Processing the prompt…</p>",
        ),
    ],
)  # fmt: skip
def test_the_status_line_says_what_is_happening_or_why_the_reply_ended(progress: Progress, expected: str) -> None:
    assert bubbles.status(progress) == expected


def test_what_is_shown_is_in_the_visitors_language() -> None:
    note = t("status.downloading", name="owner/<name>", done=1.25, whole=9.0)
    assert bubbles.status(Progress(note=note, dropped_images=1), "de") == (
        "<p>Weggelassene Bilder, die ältesten zuerst: 1 · owner/&lt;name&gt; wird heruntergeladen: 1,2 von 9,0 GB…</p>"
    )
    titles = [
        bubbles.messages(Progress(said), language="de")[0]["metadata"]["title"]
        for said in ((HM,), (HM, Part("answer", "b")))
    ]
    assert titles == ["Denkt nach …", "Gedanken"]


def test_an_error_is_shown_whole_and_kept_out_of_prompts() -> None:
    assert bubbles.failure("no <b>") == bot(part(f"⚠️ no <{MARK}b>"), id="problem")
    assert bubbles.problem("no <b>") == "<p>⚠️ no &lt;b&gt;</p>"


@pytest.mark.parametrize(("reload", "word"), [(True, "reload the page"), (False, "restart the Space in its settings")])
def test_a_diagnosis_ends_with_what_its_owner_can_do(reload: bool, word: str) -> None:
    assert bubbles.diagnosis("no <b>", reload) == (
        '<div id="diagnosis" role="alert"><p>⚠️ no &lt;b&gt;.</p>'
        f"<p>This is for the owner of the Space. Once the cause is fixed, {word}.</p></div>"
    )


FIRST = [{"role": "user", "content": "one"}, bot("1")]


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        (None, ([], "", ())),
        ([None, bot("hello")], ([], "", ())),
        ([*FIRST, {"role": "user", "content": part(f"<{MARK}b>")}], (FIRST, "<b>", ())),
        (
            [*FIRST, {"role": "user", "content": "two"}, bot(part("Hm"), title="Thoughts"), bot("a"), "x", bot("b"), bot("9 tokens", id="figures")],
            (FIRST, "two", (HM, Part("answer", "a"), Part("answer", "b"))),
        ),
        ([{"role": "user", "content": [{"type": "file"}, "x", {"text": 7}, *part("two")]}, bot(7)], ([], "two", (Part("answer", ""),))),
    ],
)  # fmt: skip
def test_the_last_exchange_is_found_in_what_a_browser_sends(messages: Any, expected: Any) -> None:
    assert bubbles.last_exchange(messages) == expected
