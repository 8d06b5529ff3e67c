"""The page for those who use a keyboard, a screen reader, a strong contrast or no motion, in a real browser."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any, get_args

import gradio as gr
import pytest
import yaml

from streamspace.config.types import Color
from tests.browser.conftest import PHONE
from tests.browser.visitor import Visitor
from tests.running import App

Visit = Callable[..., Visitor]
AXE = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
VIEWS = [
    {"color_scheme": scheme, "reduced_motion": "reduce", **window}
    for scheme in ("light", "dark")
    for window in ({}, PHONE)
]
NAMES = ["light desk", "light phone", "dark desk", "dark phone"]


def barriers(visitor: Visitor) -> list[str]:
    """What axe-core finds, serious or critical, anywhere on the page; nothing is left out."""
    visitor.page.wait_for_timeout(100)
    if not visitor.page.evaluate("'axe' in window"):
        visitor.page.evaluate(AXE)
    found = visitor.page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
    return [
        f"{problem['id']}: {node['target']} {node['html'][:150]}"
        for problem in found if problem["impact"] in ("serious", "critical") for node in problem["nodes"]
    ]  # fmt: skip


@pytest.mark.parametrize("view", VIEWS, ids=NAMES)
def test_axe_finds_no_barrier_on_the_chat_page(visit: Visit, scripted: App, view: dict[str, Any]) -> None:
    visitor = visit(scripted, **view)
    found = {"empty": barriers(visitor)}
    for text in ("code", "think", "bad"):
        visitor.ask(text)
    visitor.page.click("details.reasoning summary")
    visitor.press("retry")
    visitor.wait(lambda: visitor.idle() and visitor.page.locator(".versions").count() == 1)
    found["talking"] = barriers(visitor)
    visitor.press("edit", ".message.user >> nth=0")
    visitor.page.set_input_files(
        "#composer input[type=file]", {"name": "a.txt", "mimeType": "text/plain", "buffer": b"abc"}
    )
    visitor.page.wait_for_selector(".chips li:not(.reading)")
    found["editing, with a file"] = barriers(visitor)
    visitor.page.locator(".message textarea").press("Escape")
    visitor.page.click("#open-settings")
    visitor.page.fill("[data-setting=temperature] input[type=number]", "1")
    found["settings"] = barriers(visitor)
    visitor.page.locator("#settings [aria-label=Close]").click()
    if not visitor.page.is_visible("#sidebar"):
        visitor.page.click("#open-sidebar")
    found["sidebar"] = barriers(visitor)
    visitor.page.locator("#sidebar [aria-haspopup=menu]").click()
    found["menu"] = barriers(visitor)
    visitor.page.click(".popup [data-action=rename]")
    found["rename"] = barriers(visitor)
    visitor.page.keyboard.press("Escape")
    visitor.menu("delete")
    visitor.page.wait_for_selector("#toast:not(:empty)")
    found["deleted"] = barriers(visitor)
    assert {state: each for state, each in found.items() if each} == {}


@pytest.mark.parametrize("view", [VIEWS[0], VIEWS[3]], ids=["light desk", "dark phone"])
def test_axe_finds_no_barrier_while_a_reply_is_written(visit: Visit, scripted: App, view: dict[str, Any]) -> None:
    visitor = visit(scripted, **view)
    visitor.say("ponder")
    visitor.page.wait_for_selector("details.growing")
    assert barriers(visitor) == []
    visitor.page.evaluate("document.querySelector('#stop').click()")  # the reply may have come to its end


def test_axe_finds_no_barrier_when_the_model_is_missing(visit: Visit, tmp_path: Path) -> None:
    problem = "model.id: expected a repository of the Hub, got 'nobody/nothing'. Check the spelling"
    (tmp_path / "script.yaml").write_text(yaml.safe_dump({"unloaded": problem}), "utf-8")
    app = App(tmp_path, script="tests/standins/apps/scripted_app.py", env={"SCRIPT": str(tmp_path / "script.yaml")})
    try:
        for view in VIEWS:
            visitor = visit(app, **view)
            visitor.page.wait_for_selector("#banner.error")
            assert "nobody/nothing" in visitor.text("#banner")
            assert barriers(visitor) == []
    finally:
        app.end()


def test_white_on_the_accent_can_be_read_in_every_colour() -> None:
    for name in get_args(Color):
        assert contrast("#ffffff", getattr(gr.themes.colors, name).c700) >= 4.5, name  # page.css: --fill


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
  const field = part.closest("#composer") && part.matches("textarea"); // the frame around it is coloured
  return { tag: part.tagName, place: part.id || part.dataset.action || "", name: part.ariaLabel || part.innerText || part.labels?.[0]?.innerText || "",
    outline: Boolean(field) || (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2), seen: box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight };
}"""  # fmt: skip


def test_the_keyboard_reaches_everything_and_its_place_is_seen(visit: Visit, scripted: App) -> None:
    visitor = visit(scripted)
    visitor.ask("code")
    visitor.page.click("#open-settings")
    visitor.page.focus("#sidebar .close-sidebar")
    seen: list[Any] = []
    for _ in range(80):
        visitor.page.keyboard.press("Tab")
        now = visitor.page.evaluate(FOCUSED)
        if now["tag"] == "BODY" and seen:
            break
        assert (now["outline"], now["seen"], bool(now["name"].strip())) == (True, True, True), now
        seen.append(now)
    names = {part["name"].strip() for part in seen}
    expected = {
        "New conversation",
        "Message",
        "Send",
        "Attach files",
        "Try again",
        "Copy",
        "Edit",
        "Conversation",
        "System prompt",
        "Temperature",
        "Seed",
    }
    assert expected - names == set()
    assert any(name.startswith("Menu of") for name in names)


def test_a_whole_visit_needs_the_keyboard_only(visit: Visit, scripted: App) -> None:
    visitor = visit(scripted)
    press = visitor.page.keyboard.press

    def on(selector: str) -> bool:
        return bool(visitor.page.evaluate(f"document.activeElement.matches({json.dumps(selector)})"))

    def to(selector: str, key: str = "Tab") -> None:
        for _ in range(80):
            if on(selector):
                return
            press(key)
        raise AssertionError(f"{selector} can't be reached")

    assert on("#message")  # where a visit begins
    visitor.page.keyboard.type("slow")
    to("#send")
    press("Enter")
    visitor.wait(lambda: "word word" in "".join(visitor.replies()))
    assert on("#stop")
    press("Enter")
    visitor.wait(visitor.idle)
    assert on("#message")
    visitor.page.keyboard.type("think")
    press("Enter")
    visitor.wait(lambda: visitor.idle() and len(visitor.replies()) == 2)
    to("details.reasoning summary", "Shift+Tab")
    press("Enter")
    assert visitor.page.is_visible("details.reasoning .text")
    to("[data-action=copy]")
    press("Enter")
    to("#open-settings", "Shift+Tab")
    press("Enter")
    assert on("#settings *")
    to("#settings input[type=range]")
    press("ArrowRight")
    press("Escape")
    to("#sidebar [aria-haspopup=menu]", "Shift+Tab")
    press("Enter")
    assert on(".popup [data-action=rename]")
    press("ArrowUp")
    assert on(".popup [data-action=delete]")
    press("ArrowDown")
    press("Enter")
    visitor.page.keyboard.type("Mine")
    press("Enter")
    assert (on("#sidebar .open"), visitor.titles()) == (True, ["Mine"])
    press("Tab")
    press("Enter")
    press("ArrowUp")
    press("Enter")
    visitor.wait(lambda: visitor.questions() == [] and visitor.titles() == [])
    assert on("#message")
    to("#toast button")
    press("Enter")
    visitor.wait(lambda: visitor.titles() == ["Mine"])


def test_a_closed_sidebar_and_closed_settings_are_not_in_the_keyboards_way(visit: Visit, scripted: App) -> None:
    visitor = visit(scripted)
    visitor.page.click("#sidebar .close-sidebar")
    for _ in range(30):
        visitor.page.keyboard.press("Tab")
        assert not visitor.page.evaluate("Boolean(document.activeElement.closest('#sidebar, #settings'))")


def test_a_reply_is_read_out_once_without_thoughts_and_figures(visit: Visit, scripted: App) -> None:
    visitor = visit(scripted)
    visitor.page.evaluate("""() => {
      window.heard = [];
      const place = document.querySelector("#announcement");
      new MutationObserver(() => heard.push(place.textContent)).observe(place, { childList: true });
    }""")
    visitor.ask("think")
    visitor.wait(lambda: len(visitor.page.evaluate("heard")) == 2)
    assert visitor.page.evaluate("heard") == ["Starting…", "The answer is 3."]
    assert visitor.page.evaluate("document.querySelector('#announcement').role") == "status"
    assert visitor.page.get_attribute("#conversation", "role") == "log"
    assert visitor.page.get_attribute("#conversation", "aria-live") == "off"


def test_nothing_moves_for_those_who_ask_for_it(visit: Visit, scripted: App) -> None:
    visitor = visit(scripted, reduced_motion="reduce")
    visitor.say("ponder")
    visitor.page.wait_for_selector("details.growing")
    assert visitor.page.evaluate("document.getAnimations().length") == 0
    visitor.page.click("#stop")
