"""The page for those who use a keyboard, a screen reader, a strong contrast or no motion, in a real browser."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any, get_args

import gradio as gr
import pytest
import yaml

from streamspace.config.types import Color
from streamspace.web.page.theme import READABLE
from tests.browser.test_browser import Visitor
from tests.running import App

AXE = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
VIEWS = [(scheme, width) for scheme in ("light", "dark") for width in (1280, 390)]


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Visitor]]:
    contexts = []

    def open_page(app: App, scheme: str = "light", width: int = 1280, **settings: Any) -> Visitor:
        contexts.append(browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, **settings))
        return Visitor(contexts[-1].new_page(), app.url)

    yield open_page
    for context in contexts:
        context.close()


def barriers(visitor: Visitor) -> list[str]:
    """What axe-core finds, serious or critical, anywhere on the page; nothing of Gradio's own is left out."""
    visitor.page.wait_for_timeout(400)  # what fades in has its contrast at the end
    visitor.page.evaluate(AXE)
    found = visitor.page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
    return [
        f"{problem['id']}: {node['target']} {node['html'][:150]}"
        for problem in found if problem["impact"] in ("serious", "critical") for node in problem["nodes"]
    ]  # fmt: skip


@pytest.mark.parametrize(("scheme", "width"), VIEWS)
def test_axe_finds_no_barrier_on_the_chat_page(
    visit: Callable[..., Visitor], scripted: App, scheme: str, width: int
) -> None:
    visitor = visit(scripted, scheme, width, reduced_motion="reduce")
    assert barriers(visitor) == []
    for text in ("code", "think", "bad"):
        visitor.say(text)
        visitor.wait(lambda: visitor.idle() and len(visitor.page.query_selector_all("#conversation .bot-row")) > 0)
        visitor.page.wait_for_timeout(300)
    assert barriers(visitor) == []
    visitor.page.click("#settings .label-wrap")
    visitor.page.click(".thought-group .title")
    visitor.page.locator("[aria-label=Edit]").last.click()
    assert barriers(visitor) == []
    visitor.page.click(".sidebar .toggle-button")
    assert barriers(visitor) == []
    visitor.page.click("#conversations [data-action=rename]")
    assert barriers(visitor) == []


@pytest.mark.parametrize(("scheme", "width"), [VIEWS[0], VIEWS[-1]])
def test_axe_finds_no_barrier_while_a_reply_is_written(
    visit: Callable[..., Visitor], scripted: App, scheme: str, width: int
) -> None:
    visitor = visit(scripted, scheme, width)
    visitor.say("ponder")
    visitor.wait(lambda: "hm hm" in visitor.page.inner_text("#conversation"))
    assert barriers(visitor) == []
    visitor.page.click("#stop")


def test_axe_finds_no_barrier_on_the_completion_page(visit: Callable[..., Visitor], tmp_path: Path) -> None:
    app = App(tmp_path, {"task": "completion"}, "tests/standins/apps/scripted_app.py")
    try:
        for scheme, width in VIEWS:
            visitor = visit(app, scheme, width)
            visitor.page.fill("#message textarea", "Once upon a time")
            visitor.page.click("#send")
            visitor.wait(visitor.finished)
            visitor.page.click("#settings .label-wrap")
            assert barriers(visitor) == []
    finally:
        app.end()


def test_axe_finds_no_barrier_when_the_model_is_missing(visit: Callable[..., Visitor], tmp_path: Path) -> None:
    problem = "model.id: expected a repository of the Hub, got 'nobody/nothing'. Check the spelling"
    (tmp_path / "script.yaml").write_text(yaml.safe_dump({"unloaded": problem}), "utf-8")
    app = App(tmp_path, script="tests/standins/apps/scripted_app.py", env={"SCRIPT": str(tmp_path / "script.yaml")})
    try:
        for scheme, width in VIEWS:
            visitor = visit(app, scheme, width)
            visitor.page.wait_for_selector("#diagnosis")
            assert "nobody/nothing" in visitor.page.inner_text("#diagnosis")
            assert barriers(visitor) == []
    finally:
        app.end()


def test_white_on_the_accent_can_be_read_in_every_colour() -> None:
    assert {READABLE["button_primary_background_fill"], READABLE["button_primary_background_fill_dark"]} == {
        "*primary_700"
    }
    for name in get_args(Color):
        assert contrast("#ffffff", getattr(gr.themes.colors, name).c700) >= 4.5, name


def contrast(one: str, other: str) -> float:
    """As WCAG 2 defines it."""

    def luminance(color: str) -> float:
        parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


FOCUSED = """() => {
  const part = document.activeElement, style = getComputedStyle(part), box = part.getBoundingClientRect();
  return { place: part.id || part.closest("[id]:not([id=''])")?.id, tag: part.tagName, name: part.ariaLabel || part.innerText || part.labels?.[0]?.innerText || "",
    outline: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2, seen: box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight };
}"""  # fmt: skip


def test_the_keyboard_reaches_everything_and_its_place_is_seen(visit: Callable[..., Visitor], scripted: App) -> None:
    visitor = visit(scripted)
    visitor.say("code")
    visitor.wait(visitor.finished)
    visitor.page.focus("#message textarea")
    seen = []
    for _ in range(60):
        visitor.page.keyboard.press("Tab")
        now = visitor.page.evaluate(FOCUSED)
        if now["tag"] == "BODY" or now in seen:
            break
        assert (now["outline"], now["seen"]) == (True, True), now
        assert now["name"].strip(), now
        seen.append(now)
    visitor.page.focus("#message textarea")
    for _ in range(60):
        visitor.page.keyboard.press("Shift+Tab")
        now = visitor.page.evaluate(FOCUSED)
        if now["tag"] == "BODY":
            break
        assert (now["outline"], now["name"].strip() != "") == (True, True), now
        seen.append(now)
    names = [part["name"].strip() for part in seen]
    for name in ("Send", "Clear", "Retry", "Undo", "Copy", "Edit", "Conversations", "Conversation"):
        assert name in names
    assert any(name.startswith("Settings") for name in names)


def test_a_whole_visit_needs_the_keyboard_only(visit: Callable[..., Visitor], scripted: App) -> None:
    visitor = visit(scripted)
    press = visitor.page.keyboard.press

    def to(selector: str) -> None:
        for _ in range(80):
            if visitor.page.evaluate(f"document.activeElement.matches({json.dumps(selector)})"):
                return
            press("Tab")
        raise AssertionError(f"{selector} can't be reached")

    assert visitor.page.evaluate("document.activeElement.matches('#message textarea')")  # where a visit begins
    visitor.page.keyboard.type("slow")
    to("#send")
    press("Enter")
    visitor.wait(lambda: "word word" in "".join(visitor.replies()))
    assert visitor.page.evaluate("document.activeElement.id") == "stop"
    press("Enter")
    visitor.wait(visitor.idle)
    assert visitor.page.evaluate("document.activeElement.matches('#message textarea')")
    visitor.page.keyboard.type("think")
    press("Enter")
    visitor.wait(visitor.finished)
    to(".thought-group .title")
    for _ in range(2):  # it may be open since it was written
        open_now = visitor.page.evaluate("document.activeElement.ariaExpanded")
        assert open_now == str("Let me see." in visitor.page.inner_text("#conversation")).lower()
        press("Enter")
        visitor.wait(lambda before=open_now: visitor.page.evaluate("document.activeElement.ariaExpanded") != before)
    to("#settings .label-wrap")
    press("Space")
    visitor.wait(lambda: visitor.page.evaluate("document.activeElement.ariaExpanded") == "true")
    to("#settings input[type=range]")
    press("ArrowLeft")
    assert visitor.page.input_value("#settings input[type=number]") == "767"
    to(".sidebar .toggle-button")
    press("Enter")
    visitor.wait(lambda: visitor.page.evaluate("document.activeElement.ariaExpanded") == "true")
    to("#conversations [data-action=rename]")
    press("Enter")
    visitor.page.keyboard.type("Mine")
    press("Enter")
    assert visitor.page.evaluate("[document.activeElement.dataset.action, document.activeElement.innerText]") == [
        "open",
        "Mine",
    ]
    to("#conversations [data-action=remove]")
    press("Enter")
    visitor.wait(lambda: not visitor.questions())
    assert visitor.page.evaluate("document.activeElement.dataset.action") == "create"


def test_the_closed_sidebar_is_not_in_the_keyboards_way(visit: Callable[..., Visitor], scripted: App) -> None:
    visitor = visit(scripted)
    assert visitor.page.evaluate("getComputedStyle(document.querySelector('#conversations')).visibility") == "hidden"


def test_a_reply_is_read_out_once_and_its_progress_in_one_place(visit: Callable[..., Visitor], scripted: App) -> None:
    visitor = visit(scripted)
    visitor.page.evaluate("""() => {
      window.line = document.querySelector("#status"), window.heard = [];
      new MutationObserver(() => heard.push(document.querySelector("#announcement").textContent))
        .observe(document.querySelector("#announcement"), { childList: true });
    }""")
    visitor.say("think")
    visitor.wait(visitor.finished)
    visitor.wait(lambda: visitor.page.evaluate("heard.length") > 0)
    assert visitor.page.evaluate("heard") == ["The answer is 3."]  # no thoughts, no figures
    assert visitor.page.evaluate("line === document.querySelector('#status')")
    assert visitor.page.evaluate("[line.role, line.ariaLive, document.querySelector('#announcement').role]") == [
        "status",
        "polite",
        "status",
    ]
    assert visitor.page.get_attribute("#conversation [role=log]", "aria-live") == "off"
    gradios = ".sr-only"  # it says "Copied" there
    others = f"[...document.querySelectorAll('[aria-live]:not([aria-live=off]):not({gradios})')].map((e) => e.id)"
    assert visitor.page.evaluate(others) == ["status"]


def test_nothing_moves_for_those_who_ask_for_it(visit: Callable[..., Visitor], scripted: App) -> None:
    visitor = visit(scripted, reduced_motion="reduce")
    visitor.say("ponder")
    visitor.wait(lambda: "hm hm" in visitor.page.inner_text("#conversation"))
    visitor.wait(lambda: visitor.page.evaluate("document.getAnimations().length") == 0, 5)
    visitor.page.click("#stop")
