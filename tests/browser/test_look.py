"""What the config does to the page: logo, footer, accent, and the way to a Space of one's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.running import App


def test_the_model_its_licence_and_the_ways_to_an_own_space_are_visible(
    start: Callable[..., App], browser: Any
) -> None:
    changes = {
        "page.footer": "Replies are **not** stored.",
        "page.logo": "docs/screenshots/chat.png",
        "page.accent": "purple",
    }
    app = start(changes=changes, env={"SPACE_ID": "owner/name"})
    page = browser.new_page(locale="de-DE")
    page.goto(app.url)
    page.wait_for_selector("text=Diesen Space duplizieren")
    links = page.eval_on_selector_all("#origin a", "found => found.map(a => [a.textContent, a.href])")
    space = "https://huggingface.co/spaces/owner/name"
    assert links == [["Diesen Space duplizieren", f"{space}?duplicate=true"], ["Quelltext", f"{space}/tree/main"]]
    assert "./models/tiny (apache-2.0)" in page.inner_text("#origin")
    assert page.inner_text("#footer").strip() == "Replies are not stored."
    assert page.eval_on_selector("#logo img", "image => image.complete && image.naturalWidth > 0")
    red, green, blue = page.eval_on_selector(
        "#send", "b => getComputedStyle(b).backgroundColor.match(/\\d+/g).map(Number)"
    )[:3]
    assert blue > red > green  # purple
    page.close()


def test_a_configs_texts_cannot_draw_over_the_page(start: Callable[..., App], browser: Any) -> None:
    over = '<div class="over" style="position: fixed; inset: 0; width: 100vw; height: 100vh; z-index: 9999">all of it</div>'
    page = browser.new_page()
    page.goto(start(changes={"page.description": over, "page.footer": over}).url)
    page.wait_for_selector("#heading .over")
    page.wait_for_selector("#prompt textarea, textarea")
    covered = page.evaluate(
        """() => [...document.querySelectorAll("textarea, button")].filter(part => {
            const {x, y, width, height} = part.getBoundingClientRect();
            const top = width && document.elementFromPoint(x + width / 2, y + height / 2);
            return top && top.closest("#heading, #footer");
        }).length"""
    )
    assert covered == 0
    page.close()
