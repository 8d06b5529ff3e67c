"""The page's shape in a real browser: one screen and one scroll area at each size, whatever is on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser.conftest import PHONE
from tests.browser.visitor import Visitor, conversation, kept
from tests.running import App

Visit = Callable[..., Visitor]
DESKS = [(1280, 800), (1366, 768), (1280, 600), (1920, 1080)]
PHONES = [(768, 1024), (390, 844), (390, 664)]
ANSWER = "A paragraph of some length, which goes on for more than one line of a phone.\n\n" * 4
WIDE = f"| {' | '.join('abcdefghijklmnop' for _ in range(12))} |\n|{'-|' * 12}\n\n```\n{'x' * 400}\n```\n\n{'y' * 400}\n\n$${'z + ' * 80}z$$"
LONG = conversation("long", *[(f"Question {number}", ANSWER) for number in range(20)], ("Wide?", WIDE))
MEASURE = """() => {
  const root = document.documentElement, height = (id) => document.querySelector(id).getBoundingClientRect().height;
  const scroll = [...document.querySelectorAll("#app *")].filter((part) => part.scrollHeight > part.clientHeight + 1 && /auto|scroll/.test(getComputedStyle(part).overflowY)
    && part.clientHeight > 0 && !part.matches("textarea, pre, #settings, .list"));
  return { down: root.scrollHeight - innerHeight, across: root.scrollWidth - innerWidth, moved: scrollY + scrollX,
    share: height("#scroller") / innerHeight, composer: height("#composer") / innerHeight, areas: scroll.map((part) => part.id || part.className),
    beside: document.querySelector("#scroller").scrollWidth - document.querySelector("#scroller").clientWidth, below: innerHeight - document.querySelector("#composer").getBoundingClientRect().bottom };
}"""


def misfits(visitor: Visitor, state: str, least: float = 0) -> Iterator[str]:
    """What doesn't fit at this size."""
    found = visitor.page.evaluate(MEASURE)
    where = f"{state} at {visitor.page.viewport_size}"
    if found["down"] > 0 or found["across"] > 0 or found["moved"]:
        yield f"{where}: the page scrolls: {found}"
    if found["beside"] > 0:
        yield f"{where}: the conversation scrolls sideways by {found['beside']}"
    if found["composer"] > 0.4:
        yield f"{where}: the box takes {found['composer']:.0%}"
    if found["share"] < least:
        yield f"{where}: the conversation takes {found['share']:.0%}"
    if found["below"] < 0:
        yield f"{where}: the box is {-found['below']} px below the window"
    if not set(found["areas"]) <= {"scroller"}:
        yield f"{where}: more scroll areas: {found['areas']}"


def states(visitor: Visitor, least: float) -> Iterator[str]:
    """All misfits, in each state at this size."""
    page = visitor.page
    yield from misfits(visitor, "resting", least)
    page.fill("#message", "line\n" * 80)
    yield from misfits(visitor, "with a full box")
    page.fill("#message", "")
    page.click("#open-settings")
    yield from misfits(visitor, "with settings", least)
    if not page.is_visible("#message"):
        yield f"the box is hidden by the settings at {page.viewport_size}"
    page.locator("#settings [aria-label=Close]").click()
    page.evaluate(
        "document.documentElement.classList.contains('sidebar') || document.querySelector('#open-sidebar').click()"
    )
    yield from misfits(visitor, "with the sidebar", least)
    if page.viewport_size["width"] < 1024:
        page.mouse.click(page.viewport_size["width"] - 10, 300)
        if page.is_visible("#sidebar"):
            yield f"a click beside the sidebar leaves it open at {page.viewport_size}"


@pytest.mark.parametrize("talking", [False, True], ids=["empty", "talking"])
@pytest.mark.parametrize(("sizes", "window", "least"), [(DESKS, {}, 0.7), (PHONES, PHONE, 0.6)], ids=["desk", "phone"])
def test_the_page_fits_every_window(
    visit: Visit, scripted: App, sizes: list[tuple[int, int]], window: dict[str, Any], least: float, talking: bool
) -> None:
    visitor = visit(scripted, kept(LONG, opened="long") if talking else "", **window)
    wrong = []
    for width, height in sizes:
        visitor.page.set_viewport_size({"width": width, "height": height})
        visitor.page.wait_for_timeout(100)
        wrong += states(visitor, least)
    assert wrong == []
    assert visitor.problems == []


def test_the_column_of_text_stays_in_the_middle_beside_the_panels(visit: Visit, scripted: App) -> None:
    visitor = visit(scripted, kept(LONG, opened="long"), viewport={"width": 1920, "height": 1080})
    place = "() => ['#app main', '#conversation', '#composer'].map((name) => { const { left, right } = document.querySelector(name).getBoundingClientRect(); return [(left + right) / 2, right - left]; })"
    for button in ("#open-settings", "#open-settings", "#sidebar .close-sidebar"):
        main, talk, box = visitor.page.evaluate(place)
        assert (talk[1], box[1]) == (736, 736)
        assert abs(talk[0] - main[0]) < 10
        assert abs(box[0] - main[0]) < 10
        visitor.page.click(button)


TARGETS = """() => [...document.querySelectorAll("#app :is(button, summary, input:not([type=range], [type=radio], [type=file]), textarea, label:has(input))")]
  .filter((part) => part.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && !part.closest(".code .bar"))
  .map((part) => [part.id || part.ariaLabel || part.textContent.trim().slice(0, 30), Math.round(part.getBoundingClientRect().height), Math.round(part.getBoundingClientRect().width)])
  .filter(([, height, width]) => height < 40 || width < 40)"""
FIELDS = """() => [...document.querySelectorAll("#app :is(input:not([type=range], [type=radio], [type=file]), textarea)")]
  .filter((part) => part.checkVisibility()).map((part) => [part.id || part.ariaLabel, parseFloat(getComputedStyle(part).fontSize)]).filter(([, size]) => size < 16)"""


def test_a_finger_hits_everything_and_no_field_makes_a_phone_zoom(visit: Visit, scripted: App) -> None:
    visitor = visit(scripted, kept(conversation("other", ("one", "two"))), **PHONE)
    wrong: list[Any] = []

    def look() -> None:
        visitor.page.wait_for_timeout(100)
        wrong.extend([*visitor.page.evaluate(TARGETS), *visitor.page.evaluate(FIELDS)])

    look()
    visitor.ask("think")
    visitor.ask("cut")
    look()
    visitor.press("edit", ".message.user >> nth=0")
    look()
    visitor.page.keyboard.press("Escape")
    visitor.page.click("#open-settings")
    look()
    visitor.page.locator("#settings [aria-label=Close]").click()
    visitor.page.click("#open-sidebar")
    look()
    visitor.page.locator("#sidebar [aria-haspopup=menu]").first.click()
    look()
    visitor.page.click(".popup [data-action=rename]")
    look()
    assert wrong == []


def test_actions_are_always_there_on_touch_and_on_hover_and_focus_on_a_desk(visit: Visit, scripted: App) -> None:
    seen = "() => [...document.querySelectorAll('.message .actions > .icon-button')].map((part) => getComputedStyle(part).opacity === '1')"
    turns = kept(conversation("a", ("one", "1"), ("two", "2")), opened="a")
    assert all(visit(scripted, turns, **PHONE).page.evaluate(seen))
    visitor = visit(scripted, turns)
    visitor.page.mouse.move(5, 300)
    first, *_, last = visitor.page.evaluate(seen)
    assert (first, last) == (False, True)
    visitor.page.locator(".message >> nth=0").hover()
    assert visitor.page.evaluate(seen)[0]
    visitor.page.mouse.move(5, 300)
    visitor.page.locator(".message >> nth=0 >> [data-action=copy]").focus()
    assert visitor.page.evaluate(seen)[0]


def test_one_can_read_back_while_a_reply_is_written_and_a_button_leads_to_its_end(visit: Visit, scripted: App) -> None:
    visitor = visit(scripted, kept(LONG, opened="long"))
    top, end = (
        "document.querySelector('#scroller').scrollTop",
        "document.querySelector('#scroller').scrollHeight - document.querySelector('#scroller').clientHeight",
    )
    at_end = lambda: abs(visitor.page.evaluate(f"{end} - {top}")) < 4  # noqa: E731
    visitor.wait(at_end)
    visitor.say("slow")
    visitor.wait(lambda: "word" in visitor.replies()[-1] and at_end())
    visitor.page.mouse.move(640, 300)
    visitor.page.mouse.wheel(0, -700)
    visitor.page.wait_for_selector("#to-end:not([hidden])")
    visitor.page.wait_for_timeout(200)
    before, length = visitor.page.evaluate(top), len(visitor.replies()[-1])
    visitor.wait(lambda: len(visitor.replies()[-1]) > length + 24)
    assert visitor.page.evaluate(top) == before
    visitor.page.click("#to-end")
    visitor.wait(at_end)
    visitor.wait(lambda: not visitor.page.is_visible("#to-end"))  # it hears of the scrolling a frame later
    visitor.wait(lambda: visitor.idle() and at_end())  # it follows again


def test_a_drawer_closes_itself_after_a_choice_on_a_phone(visit: Visit, scripted: App) -> None:
    visitor = visit(scripted, kept(conversation("a", ("one", "1")), conversation("b", ("two", "2"))), **PHONE)
    assert not visitor.page.is_visible("#sidebar")
    for choice, questions in (("#sidebar .open >> text=one", ["one"]), ("#sidebar .new", [])):
        visitor.page.click("#open-sidebar")
        visitor.page.click(choice)
        visitor.wait(lambda questions=questions: visitor.questions() == questions)
        assert not visitor.page.is_visible("#sidebar")
    visitor.page.click("#open-sidebar")
    visitor.page.keyboard.press("Escape")
    assert not visitor.page.is_visible("#sidebar")


def test_the_sidebar_is_open_on_a_wide_desk_and_remembers_that_it_was_closed(visit: Visit, scripted: App) -> None:
    visitor = visit(scripted)
    assert visitor.page.is_visible("#sidebar")
    visitor.page.click("#sidebar .close-sidebar")
    visitor.reload()
    assert not visitor.page.is_visible("#sidebar")
    visitor.page.click("#open-sidebar")
    visitor.reload()
    assert visitor.page.is_visible("#sidebar")


def test_the_page_is_dark_everywhere_for_those_who_want_it(visit: Visit, scripted: App) -> None:
    grounds = """() => ["html", "body", "#app", "#sidebar", "#settings", "#composer", "#message"].map((name) => {
      const [red, green, blue, alpha = 1] = getComputedStyle(document.querySelector(name)).backgroundColor.match(/[\\d.]+/g).map(Number);
      return alpha === 0 || Math.max(red, green, blue) < 64; })"""
    visitor = visit(scripted, kept(LONG, opened="long"), color_scheme="dark")
    visitor.page.click("#open-settings")
    assert all(visitor.page.evaluate(grounds))
    assert "dark" in visitor.page.evaluate(
        "getComputedStyle(document.querySelector('#scroller')).colorScheme"
    )  # scrollbars
    visitor.page.emulate_media(color_scheme="light")
    assert not any(visitor.page.evaluate(grounds)[:1])
    visitor.page.goto(f"{visitor.page.url}?__theme=dark")
    visitor.opened()
    assert all(visitor.page.evaluate(grounds))
