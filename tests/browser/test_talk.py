"""A conversation in a real browser: asked, streamed, stopped, continued, tried again, edited, copied, and what fails."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from streamspace.i18n import t
from tests.browser.conftest import PHONE
from tests.browser.visitor import Visitor
from tests.conftest import Probe
from tests.running import ROOT, App

Visit = Callable[..., Visitor]
SCRIPT = yaml.safe_load((ROOT / "tests/standins/apps/script.yaml").read_text("utf-8"))
LONG = "Count to two hundred"
FIGURES = r"\d+ tokens, the first after \d+\.\d\d s, \d+ tokens/s"


def begun(visitor: Visitor, text: str = "word word") -> None:
    """Waits until this much of a reply is there."""
    visitor.wait(lambda: text in "".join(visitor.replies()))


@pytest.mark.parametrize("window", [{}, PHONE], ids=["desk", "phone"])
def test_a_visitor_asks_and_watches_the_reply_grow(visit: Visit, scripted: App, window: dict[str, Any]) -> None:
    visitor = visit(scripted, **window)
    visitor.say("steady")
    assert visitor.questions() == ["steady"]
    assert visitor.page.input_value("#message") == ""
    lengths = set()
    while not visitor.idle():
        lengths.add(len("".join(visitor.replies())))
        visitor.page.wait_for_timeout(25)
    assert len(lengths) >= 3
    assert visitor.replies() == [SCRIPT["steady"]["says"]]
    assert re.fullmatch(FIGURES, visitor.text(".figures"))
    assert visitor.problems == []
    assert visitor.outside == []  # fonts, scripts, analytics: nothing from elsewhere


def test_there_is_a_sign_of_life_until_the_first_word(visit: Visit, app: App, probe: Probe) -> None:
    visitor = visit(app)
    visitor.page.wait_for_selector("[data-setting=thinking]:not([hidden])", state="attached")  # the model is there
    with probe.set("reading", "1"):
        visitor.say("What is ZeroGPU?")
        visitor.wait(lambda: visitor.text(".message.assistant .status") == t("status.prefill"))
        assert visitor.page.evaluate("document.querySelector('.message.assistant').ariaBusy") == "true"
    visitor.wait(visitor.idle)
    assert visitor.page.evaluate("document.querySelector('.message.assistant').ariaBusy") == "false"


@pytest.mark.parametrize("way", ["button", "Escape"])
def test_stop_keeps_what_is_there_and_the_box_is_ready_again(visit: Visit, scripted: App, way: str) -> None:
    visitor = visit(scripted)
    visitor.say("slow")
    begun(visitor)
    if way == "button":
        visitor.page.click("#stop")
    else:
        visitor.page.keyboard.press("Escape")
    visitor.wait(visitor.idle, 2)
    kept = visitor.replies()[0]
    assert visitor.text(".message.assistant .status") == "Stopped."
    assert visitor.ask("next") == "next"
    assert visitor.replies() == [kept, "next"]
    assert visitor.problems == []


def test_stop_stops_the_model(visit: Visit, app: App, probe: Probe) -> None:
    visitor = visit(app)
    with probe.set("slow", "0.03"):
        visitor.say(LONG)
        visitor.wait(lambda: len("".join(visitor.replies())) > 20)
        visitor.page.click("#stop")
        visitor.wait(visitor.idle)
        at_stop = probe.steps
        assert probe.settled() - at_stop <= 10  # 0.3 s for the round trip


def test_a_closed_tab_stops_the_model(visit: Visit, app: App, probe: Probe) -> None:
    visitor = visit(app)
    with probe.set("slow", "0.03"):
        visitor.say(LONG)
        visitor.wait(lambda: len("".join(visitor.replies())) > 20)
        visitor.page.close()
        time.sleep(1.5)
        after = probe.steps
        assert probe.settled() - after <= 1


def test_continue_joins_the_reply_where_it_was_cut(visit: Visit, scripted: App) -> None:
    visitor = visit(scripted)
    whole = SCRIPT["cut"]["says"]
    assert visitor.ask("cut") == whole[:36]
    assert visitor.text(".message.assistant .status") == t("status.length")
    visitor.press("continue")
    visitor.wait(lambda: "list" in visitor.replies()[0] and visitor.idle())
    (conversation,) = visitor.stored()
    assert [part["text"] for node in conversation["nodes"].values() for part in node.get("parts", [])] == [whole]
    assert visitor.page.locator(".message.assistant").count() == 1
    assert visitor.page.locator("[data-action=continue], .message .status:not(:empty)").count() == 0
    assert re.fullmatch(FIGURES, visitor.text(".figures"))


def test_continue_goes_on_after_thoughts_that_were_stopped(visit: Visit, scripted: App) -> None:
    visitor = visit(scripted)
    visitor.say("reflect")
    visitor.wait(lambda: "hm hm" in "".join(visitor.page.locator("details.reasoning .text").all_text_contents()))
    visitor.page.click("#stop")
    visitor.wait(visitor.idle)
    visitor.press("continue")
    visitor.wait(lambda: visitor.replies() == ["Yes: bold and a<b."] and visitor.idle())
    assert visitor.page.locator("details.reasoning .text").all_text_contents()[0].strip() == ("hm " * 20).strip()


def shown(visitor: Visitor) -> tuple[list[str], list[str], list[str]]:
    """The questions, the replies, and the numbers of their versions."""
    return visitor.questions(), visitor.replies(), visitor.page.locator(".versions").all_inner_texts()


def test_retry_and_edit_keep_what_was_there_as_versions(visit: Visit, scripted: App) -> None:
    visitor = visit(scripted)
    for text in ("one", "two", "three"):
        visitor.ask(text)
    visitor.press("retry", ".message >> nth=3")
    visitor.wait(lambda: visitor.idle() and shown(visitor) == (["one", "two"], ["one", "two"], ["2/2"]))
    visitor.press("edit", ".message >> nth=2")
    visitor.page.fill(".message textarea", "two and a half")
    visitor.page.keyboard.press("Enter")
    edited = (["one", "two and a half"], ["one", "two and a half"], ["2/2"])
    visitor.wait(lambda: visitor.idle() and shown(visitor) == edited)
    visitor.reload()
    assert shown(visitor) == edited
    visitor.press("version_before", ".message >> nth=2")
    visitor.wait(lambda: shown(visitor) == (["one", "two"], ["one", "two"], ["1/2", "2/2"]))
    visitor.press("version_before", ".message >> nth=3")
    visitor.wait(lambda: shown(visitor)[:2] == (["one", "two", "three"], ["one", "two", "three"]))
    visitor.reload()
    assert shown(visitor) == (["one", "two", "three"], ["one", "two", "three"], ["1/2", "1/2"])
    assert visitor.problems == []


def test_edit_is_as_wide_as_the_column_and_escape_leaves_the_message(visit: Visit, scripted: App) -> None:
    visitor = visit(scripted)
    visitor.ask("slow" * 2)
    visitor.press("edit", ".message.user >> nth=0")
    box = ".message textarea"
    widths = "(box) => [box.offsetWidth, document.querySelector('#conversation').clientWidth]"
    edited, column = visitor.page.eval_on_selector(box, widths)
    assert edited == column
    visitor.page.keyboard.press("Shift+Enter")
    visitor.page.keyboard.type("more")
    assert visitor.page.input_value(box) == "slowslow\nmore"
    visitor.page.keyboard.press("Escape")
    assert (visitor.page.locator(box).count(), visitor.questions()) == (0, ["slowslow"])
    assert len(visitor.stored()[0]["nodes"]) == 2


def test_a_stopped_reply_can_be_had_again(visit: Visit, scripted: App) -> None:
    visitor = visit(scripted)
    visitor.say("slow")
    begun(visitor)
    visitor.page.click("#stop")
    visitor.wait(visitor.idle)
    visitor.press("retry")
    visitor.wait(lambda: visitor.page.is_visible("#stop"))
    begun(visitor)
    visitor.page.keyboard.press("Escape")
    visitor.wait(lambda: visitor.idle() and visitor.page.locator(".versions").all_inner_texts() == ["2/2"])
    assert visitor.questions() == ["slow"]


def test_copy_gives_the_answers_markdown_and_nothing_else(visit: Visit, scripted: App) -> None:
    visitor = visit(scripted)
    for text, expected in (("compare", "The answer is **3** and a<b and c>d."), ("code", SCRIPT["code"]["says"])):
        visitor.ask(text)
        visitor.press("copy")
        visitor.wait(lambda expected=expected: visitor.page.evaluate("navigator.clipboard.readText()") == expected)
    assert visitor.text("#announcement") == "Copied."
    visitor.press("copy", ".message.user >> nth=0")
    visitor.wait(lambda: visitor.page.evaluate("navigator.clipboard.readText()") == "compare")


@pytest.mark.parametrize("text", ["", "  \n "])
def test_an_empty_send_does_nothing(visit: Visit, scripted: App, text: str) -> None:
    visitor = visit(scripted)
    asked: list[str] = []
    visitor.page.on("request", lambda request: asked.append(request.url) if "/queue/join" in request.url else None)
    visitor.page.fill("#message", text)
    visitor.page.wait_for_timeout(2500)  # until the draft has been measured, on a busy machine too
    asked.clear()
    visitor.page.focus("#message")
    visitor.page.keyboard.press("Enter")
    visitor.page.click("#send")
    visitor.page.wait_for_timeout(300)
    assert (asked, visitor.questions(), visitor.stored()) == ([], [], [])
    assert (visitor.page.input_value("#message"), visitor.text("#notice"), visitor.idle()) == (text, "", True)


def test_enter_sends_on_a_desk_and_shift_enter_makes_a_line(visit: Visit, scripted: App) -> None:
    visitor = visit(scripted)
    visitor.page.focus("#message")
    visitor.page.keyboard.type("one")
    visitor.page.keyboard.press("Shift+Enter")
    visitor.page.keyboard.type("two")
    visitor.page.keyboard.press("Enter")
    visitor.wait(lambda: visitor.questions() == ["one\ntwo"])


def test_enter_makes_a_line_on_a_phone(visit: Visit, scripted: App) -> None:
    visitor = visit(scripted, **PHONE)
    visitor.page.tap("#message")
    visitor.page.keyboard.type("one")
    visitor.page.keyboard.press("Enter")
    visitor.page.keyboard.type("two")
    assert (visitor.page.input_value("#message"), visitor.questions()) == ("one\ntwo", [])
    visitor.page.tap("#send")
    visitor.wait(lambda: visitor.replies() == ["one\ntwo"])


COMPOSED = """([selector, key]) => document.querySelector(selector).dispatchEvent(new KeyboardEvent("keydown",
    { key: "Enter", bubbles: true, cancelable: true, ...key }))"""


@pytest.mark.parametrize("key", [{"isComposing": True}, {"keyCode": 229}], ids=["Chromium", "Safari"])
def test_enter_that_ends_a_composition_sends_nothing(visit: Visit, scripted: App, key: dict[str, Any]) -> None:
    visitor = visit(scripted)
    visitor.page.fill("#message", "にほん")
    assert visitor.page.evaluate(COMPOSED, ["#message", key])  # and isn't prevented
    assert (visitor.page.input_value("#message"), visitor.questions()) == ("にほん", [])
    visitor.ask("にほん")
    visitor.press("edit", ".message.user >> nth=0")
    visitor.page.fill(".message textarea", "日本")
    assert visitor.page.evaluate(COMPOSED, [".message textarea", key])
    assert visitor.page.input_value(".message textarea") == "日本"
    visitor.page.keyboard.press("Escape")
    visitor.menu("rename")
    assert visitor.page.evaluate(COMPOSED, ["#sidebar li input", key])
    assert visitor.page.locator("#sidebar li input").count() == 1


def test_an_example_asks_itself_and_leaves_a_draft_alone(visit: Visit, scripted: App) -> None:
    visitor = visit(scripted)
    visitor.page.fill("#message", "My draft")
    visitor.page.click("text=What is ZeroGPU?")
    assert (visitor.page.input_value("#message"), visitor.questions()) == ("My draft\nWhat is ZeroGPU?", [])
    visitor.page.fill("#message", "")
    visitor.page.click("text=What is ZeroGPU?")
    visitor.wait(lambda: visitor.replies() == ["What is ZeroGPU?"])
    assert visitor.questions() == ["What is ZeroGPU?"]


def test_a_message_that_is_too_long_is_told_once_and_stays_in_the_box(visit: Visit, app: App) -> None:
    visitor = visit(app)
    told = "This message is too long: 4,001 characters, and this Space takes 4,000. Shorten it, or attach the text as a file"
    visitor.page.fill("#message", "x" * 4001)
    assert (visitor.text("#notice"), visitor.text("#measure")) == (told, "")  # while it is typed
    visitor.page.click("#send")
    assert (visitor.text("#notice"), visitor.text("#measure")) == (told, "")
    assert (visitor.page.input_value("#message"), visitor.questions()) == ("x" * 4001, [])
    visitor.page.fill("#message", "ping")
    assert visitor.text("#notice") == ""


def test_a_failing_model_tells_the_visitor_and_retry_answers_later(visit: Visit, app: App, probe: Probe) -> None:
    visitor = visit(app)
    visitor.page.wait_for_selector("[data-setting=thinking]:not([hidden])", state="attached")  # it would not load now
    with probe.set("fail", "the device is on fire"):
        visitor.say("ping")
        visitor.wait(lambda: visitor.idle() and t("error.model_failed") in visitor.text(".message.assistant .status"))
    assert "fire" not in visitor.page.inner_text("body")  # what an exception says is for the log alone
    visitor.press("retry")
    visitor.wait(lambda: visitor.idle() and visitor.replies()[-1])
    assert t("error.model_failed") not in visitor.page.inner_text("body")
    assert visitor.questions() == ["ping"]


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The scripted page for one reply at a time, and one visitor who waits."""
    limits = {"limits.queue": 1, "limits.concurrency": 1}
    running = App(tmp_path_factory.mktemp("narrow"), limits, "tests/standins/apps/scripted_app.py")
    yield running
    running.end()


def test_those_who_wait_know_their_place_and_a_full_queue_is_told(visit: Visit, narrow: App) -> None:
    first, second, third = (visit(narrow) for _ in range(3))
    first.say("slow")
    begun(first)
    second.say("hello")
    second.wait(lambda: second.text(".message.assistant .status") == t("status.position", position=1))
    third.say("hello")
    third.wait(lambda: third.idle() and third.text(".message.assistant .status") == f"⚠️ {t('error.full', waiting=1)}")
    first.page.click("#stop")
    second.wait(lambda: second.replies() == ["hello"])
    third.press("retry")
    third.wait(lambda: third.replies() == ["hello"])


def test_thoughts_are_folded_with_their_seconds(visit: Visit, scripted: App) -> None:
    visitor = visit(scripted)
    visitor.say("reflect")
    visitor.wait(
        lambda: visitor.page.locator("details.reasoning summary").all_text_contents() == [t("page.thinking_now")]
    )
    visitor.wait(visitor.idle)
    assert re.fullmatch(r"Thoughts \(\d+(\.\d)? s\)", visitor.text("details.reasoning summary"))
    assert not visitor.page.is_visible("details.reasoning .text")
    visitor.page.click("details.reasoning summary")
    assert visitor.text("details.reasoning .text").strip() == ("hm " * 20).strip()
    visitor.reload()
    assert re.fullmatch(r"Thoughts \(\d+(\.\d)? s\)", visitor.text("details.reasoning summary"))


def test_thoughts_can_be_switched_off(visit: Visit, app: App) -> None:
    visitor = visit(app)
    visitor.ask("Is 9.11 larger than 9.9?")
    assert visitor.page.locator("details.reasoning").count() == 1
    visitor.page.click("#open-settings")
    visitor.page.get_by_label("Off", exact=True).check()
    visitor.press("retry")
    visitor.wait(lambda: visitor.idle() and visitor.text(".versions") == "2/2")
    assert visitor.page.locator("details.reasoning").count() == 0


def test_what_the_model_can_do_is_heard_though_gradio_draws_its_part_later(visit: Visit, app: App) -> None:
    visitor = visit(app)
    held: list[Any] = []
    visitor.page.route("**/HTML-*.js", lambda route: held.append(route))
    with visitor.page.expect_response("**/queue/data*"):
        visitor.page.reload()  # the model's state is asked for
    visitor.page.wait_for_timeout(1000)  # and told
    visitor.wait(lambda: held)
    held[0].continue_()
    visitor.opened()
    visitor.page.click("#open-settings")
    visitor.wait(lambda: visitor.page.get_by_label("Off", exact=True).is_visible())


def test_the_figures_stay_under_every_reply(visit: Visit, scripted: App) -> None:
    visitor = visit(scripted)
    for text in ("one", "cut"):
        visitor.ask(text)
    visitor.press("retry", ".message >> nth=1")
    visitor.wait(lambda: visitor.idle() and visitor.page.locator(".versions").all_inner_texts() == ["2/2"])
    visitor.ask("three")
    visitor.reload()
    figures = visitor.page.locator(".message.assistant .figures").all_inner_texts()
    assert (len(figures), {bool(re.fullmatch(FIGURES, each)) for each in figures}) == (2, {True})


def test_enter_while_a_reply_is_written_leaves_both_as_they_are(visit: Visit, scripted: App) -> None:
    visitor = visit(scripted)
    visitor.say("slow")
    begun(visitor)
    visitor.page.fill("#message", "and now?")
    visitor.page.press("#message", "Enter")
    visitor.page.wait_for_timeout(300)
    assert visitor.questions() == ["slow"]
    assert visitor.page.input_value("#message") == "and now?"
    assert visitor.page.is_visible("#stop")
    visitor.page.click("#stop")
    visitor.wait(visitor.idle)


def test_a_question_in_another_conversation_ends_the_reply_that_is_written_and_keeps_it(
    visit: Visit, scripted: App
) -> None:
    visitor = visit(scripted)
    visitor.say("slow")
    begun(visitor)
    visitor.page.click("#open-sidebar") if not visitor.page.is_visible("#sidebar") else None
    visitor.page.click("#sidebar [data-action=create]")
    visitor.wait(lambda: not visitor.questions())
    visitor.page.fill("#message", "and now?")
    visitor.page.click("#send")
    visitor.wait(lambda: visitor.idle() and visitor.replies() == ["and now?"])
    visitor.page.click("#open-sidebar") if not visitor.page.is_visible("#sidebar") else None
    visitor.page.locator("#sidebar .open", has_text="slow").click()
    visitor.wait(lambda: visitor.questions() == ["slow"])
    assert visitor.replies()[0].startswith("word word")
    assert visitor.text(".message.assistant .status") == "Stopped."


def test_what_a_visitor_sets_reaches_the_model(visit: Visit, app: App) -> None:
    visitor = visit(app)
    visitor.page.click("#open-settings")
    visitor.page.fill("[data-setting=max_new_tokens] input[type=number]", "24")
    visitor.ask("Count to two hundred")
    assert visitor.text(".figures").startswith("24 tokens,")
    visitor.page.fill("[data-setting=max_new_tokens] input[type=number]", "48")
    visitor.ask("Count to two hundred")
    assert visitor.text(".figures").startswith("48 tokens,")
