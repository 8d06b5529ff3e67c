"""The page in a real browser, as a visitor uses it: on a desk and on a phone."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from streamspace.i18n import t
from tests.conftest import Probe
from tests.running import App

LONG = "Count to two hundred"
REASONS = ("stop", "length", "cancelled", "timeout")


class Visitor:
    """A visitor's browser window on the page."""

    def __init__(self, page: Any, url: str) -> None:
        self.page = page
        self.problems: list[str] = []
        self.outside: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("request", lambda request: self._note(request.url, url))
        page.goto(url)
        page.wait_for_selector("#message textarea")
        page.wait_for_function("window.streamspace")

    def _note(self, asked: str, url: str) -> None:
        if not asked.startswith((url, "data:", "blob:")):
            self.outside.append(asked)

    def say(self, text: str) -> None:
        before = len(self.questions())
        self.page.fill("#message textarea", text)
        self.page.keyboard.press("Enter")
        if text.strip():
            self.wait(lambda: len(self.questions()) > before, 5)

    def status(self) -> str:
        return str(self.page.inner_text("#status"))

    def replies(self) -> list[str]:
        """What the model wrote; not the figures under it."""
        texts = self.page.locator("[data-testid=bot]:not(:has(.figures))").all_inner_texts()
        return [str(text) for text in texts]

    def questions(self) -> list[str]:
        return [str(text).strip() for text in self.page.locator("[data-testid=user]").all_inner_texts()]

    def wait(self, what: Callable[[], Any], seconds: float = 30) -> None:
        until = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < until, f"waited in vain; status: {self.status()!r}, replies: {self.replies()!r}"
            self.page.wait_for_timeout(30)

    def finished(self) -> bool:
        return self.status().strip() in [t(f"status.{reason}") for reason in REASONS] and self.idle()

    def idle(self) -> bool:
        return bool(self.page.is_visible("#send")) and not self.page.is_visible("#stop")


@pytest.fixture
def visit(browser: Any, size: dict[str, int]) -> Iterator[Callable[[App], Visitor]]:
    contexts = []

    def open_page(app: App) -> Visitor:
        contexts.append(browser.new_context(viewport=size))
        return Visitor(contexts[-1].new_page(), app.url)

    yield open_page
    for context in contexts:
        context.close()


def test_a_visitor_asks_and_watches_the_reply_grow(visit: Callable[[App], Visitor], app: App, probe: Probe) -> None:
    visitor = visit(app)
    lengths = set()
    with probe.set("slow", "0.03"):
        visitor.say("What is ZeroGPU?")
        assert visitor.questions() == ["What is ZeroGPU?"]
        assert visitor.page.input_value("#message textarea") == ""
        while not visitor.finished():
            lengths.add(len("".join(visitor.replies())))
            visitor.page.wait_for_timeout(25)
    assert len(lengths) >= 3  # it grew before our eyes
    figures = visitor.page.inner_text("#conversation .figures")
    assert re.fullmatch(r"\d+ tokens, the first after \d+\.\d\d s, \d+ tokens/s · finished", figures)
    assert visitor.problems == []
    assert visitor.outside == []  # fonts, scripts, analytics: nothing from elsewhere


def test_the_page_fits_its_window(visit: Callable[[App], Visitor], app: App, size: dict[str, int]) -> None:
    visitor = visit(app)
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    send = visitor.page.locator("#send").bounding_box()
    assert send["y"] + send["height"] <= size["height"]
    assert send["height"] >= 44  # a thumb's width


def test_stop_stops_the_model_and_the_box_is_ready_again(
    visit: Callable[[App], Visitor], app: App, probe: Probe
) -> None:
    visitor = visit(app)
    with probe.set("slow", "0.03"):
        visitor.say(LONG)
        visitor.wait(lambda: len("".join(visitor.replies())) > 20)
        visitor.page.click("#stop")
        visitor.wait(visitor.idle)
        at_stop = probe.steps
        assert probe.settled() - at_stop <= 10  # 0.3 s for the round trip
    kept = visitor.replies()
    assert visitor.status().strip() == "Stopped."
    assert len(kept[0]) > 20
    visitor.say("ping")
    visitor.wait(visitor.finished)
    assert visitor.replies()[0] == kept[0]
    assert len(visitor.replies()) == 2


def test_a_closed_tab_stops_the_model(visit: Callable[[App], Visitor], app: App, probe: Probe) -> None:
    visitor = visit(app)
    with probe.set("slow", "0.03"):
        visitor.say(LONG)
        visitor.wait(lambda: len("".join(visitor.replies())) > 20)
        visitor.page.close()
        time.sleep(1.5)
        after = probe.steps
        assert probe.settled() - after <= 1


def test_an_error_is_shown_where_the_reply_would_be_and_nothing_is_lost(
    visit: Callable[[App], Visitor], app: App
) -> None:
    visitor = visit(app)
    long = "x" * 4001
    visitor.say(long)
    visitor.wait(lambda: "This message is too long" in "".join(visitor.replies()))
    assert "4,001 characters, and this Space takes 4,000. Shorten it" in "".join(visitor.replies())
    assert visitor.questions() == [long]
    visitor.wait(visitor.idle)
    visitor.say("ping")
    visitor.wait(visitor.finished)


def test_a_failing_model_tells_the_visitor_and_retry_answers_later(
    visit: Callable[[App], Visitor], app: App, probe: Probe
) -> None:
    visitor = visit(app)
    visitor.page.wait_for_selector(
        "#model [data-thinks]", state="attached"
    )  # the model is there, and would not load now
    with probe.set("fail", "the device is on fire"):
        visitor.say("ping")
        visitor.wait(lambda: t("error.model_failed") in "".join(visitor.replies()))
        visitor.wait(visitor.idle)
    assert "fire" not in visitor.page.inner_text("body")  # what an exception says is for the log alone
    visitor.page.click("[aria-label=Retry], [title=Retry]")
    visitor.wait(visitor.finished)
    assert t("error.model_failed") not in "".join(visitor.replies())
    assert visitor.questions() == ["ping"]


def test_retry_answers_the_last_message_again(visit: Callable[[App], Visitor], app: App) -> None:
    visitor = visit(app)
    for text in ("ping", "What is ZeroGPU?"):
        visitor.say(text)
        visitor.wait(visitor.finished)
    before = visitor.replies()
    visitor.page.click("[aria-label=Retry], [title=Retry]")
    visitor.wait(lambda: visitor.replies() != before, 5)
    visitor.wait(visitor.finished)
    assert visitor.replies() == before
    assert visitor.questions() == ["ping", "What is ZeroGPU?"]


def test_an_example_asks_itself(visit: Callable[[App], Visitor], app: App) -> None:
    visitor = visit(app)
    visitor.page.click("text=What is ZeroGPU?")
    visitor.wait(visitor.finished)
    assert visitor.questions() == ["What is ZeroGPU?"]


def test_clear_empties_the_page(visit: Callable[[App], Visitor], app: App) -> None:
    visitor = visit(app)
    visitor.say("ping")
    visitor.wait(visitor.finished)
    visitor.page.click("#clear")
    visitor.wait(lambda: not visitor.questions() and not visitor.replies() and visitor.status().strip() == "")


def test_thoughts_are_shown_apart_and_can_be_switched_off(visit: Callable[[App], Visitor], app: App) -> None:
    visitor = visit(app)
    visitor.say("Is 9.11 larger than 9.9?")
    visitor.wait(visitor.finished)
    assert any("Thoughts" in text for text in visitor.page.locator("#conversation").all_inner_texts())
    assert "<think>" not in "".join(visitor.replies())
    visitor.page.click("#clear")
    visitor.page.click("text=Settings")
    visitor.page.get_by_label("Off", exact=True).check()
    visitor.say("Is 9.11 larger than 9.9?")
    visitor.wait(visitor.finished)
    assert "Thoughts" not in visitor.page.inner_text("#conversation")


def test_the_settings_reach_the_model(visit: Callable[[App], Visitor], app: App) -> None:
    visitor = visit(app)
    visitor.page.click("text=Settings")
    visitor.page.wait_for_selector("#thinking")  # the model is there
    assert [each.inner_text() for each in visitor.page.locator("#thinking label:visible").all()] == ["Off", "On"]
    assert visitor.page.get_by_label("On", exact=True).is_checked()
    visitor.page.wait_for_load_state("networkidle")
    box = visitor.page.locator("input[aria-label*='Maximum reply length'][type=number]")
    box.fill("16")
    box.press("Tab")
    slider = "document.querySelector(\"input[aria-label*='Maximum reply length'][type=range]\")"
    visitor.page.wait_for_function(f"{slider}.value === '16'")
    visitor.say(LONG)
    visitor.wait(visitor.finished)
    assert "16 tokens" in visitor.page.inner_text("#conversation .figures")
    assert visitor.status().strip() == t("status.length")


def test_nothing_is_sent_from_an_empty_box(visit: Callable[[App], Visitor], app: App) -> None:
    visitor = visit(app)
    visitor.say("   ")
    visitor.page.wait_for_timeout(500)
    assert visitor.questions() == []
    assert visitor.idle()


@pytest.fixture(scope="module")
def completion(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    running = App(tmp_path_factory.mktemp("completion"), changes={"task": "completion"})
    yield running
    running.end()


def test_a_completion_space_continues_a_text(visit: Callable[[App], Visitor], completion: App) -> None:
    visitor = visit(completion)
    visitor.page.fill("#message textarea", "A Space is")
    visitor.page.click("#send")
    visitor.wait(visitor.finished)
    assert visitor.page.input_value("#continuation textarea").strip()
    visitor.page.click("#clear")
    visitor.wait(lambda: visitor.page.input_value("#continuation textarea") == "")
    assert visitor.problems == []
