"""What the config does to the page: logo, footer, accent, and the way to a Space of one's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.browser.visitor import Visitor
from tests.running import App

Visit = Callable[..., Visitor]
OVER = '<div class="over" style="position: fixed; inset: 0; z-index: 9999">all of it</div>'


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """A page with all that a config can put on it."""
    changes = {
        "page.title": "A <b>title</b>", "page.description": f"**Bold** {OVER}", "page.footer": f"Replies are **not** stored. {OVER}",
        "page.logo": "docs/screenshots/chat.png", "page.accent": "purple",
    }  # fmt: skip
    env = {"SPACE_ID": "owner/name"}
    running = App(tmp_path_factory.mktemp("look"), changes, "tests/standins/apps/scripted_app.py", env)
    yield running
    running.end()


def test_the_model_its_licence_and_the_ways_to_an_own_space_are_one_quiet_line(visit: Visit, space: App) -> None:
    visitor = visit(space, locale="de-DE")
    links = visitor.page.eval_on_selector_all("#origin a", "found => found.map(a => [a.textContent, a.href])")
    home = "https://huggingface.co/spaces/owner/name"
    assert links[0][1] == f"{space.url}/?view=api"
    assert links[1:] == [
        ["Diesen Space duplizieren", f"{home}?duplicate=true"],
        ["Quelltext", f"{home}/tree/main"],
    ]
    line = visitor.text("#origin")
    assert line.startswith("tiny (apache-2.0) · ")  # a local folder by its last part
    assert line.endswith(f"Replies are not stored. {OVER}")
    assert "· ·" not in line


def test_logo_title_and_accent_are_the_configs(visit: Visit, space: App) -> None:
    visitor = visit(space)
    assert visitor.page.eval_on_selector("#logo", "image => image.complete && image.naturalWidth > 0")
    assert [visitor.text(place) for place in ("#top h1", "#empty h2")] == ["A <b>title</b>", "A <b>title</b>"]
    color = "button => getComputedStyle(button).backgroundColor.match(/\\d+/g).map(Number)"
    red, green, blue = visitor.page.eval_on_selector("#send", color)[:3]
    assert blue > red > green  # purple


def test_a_configs_texts_cannot_draw_over_the_page(visit: Visit, space: App) -> None:
    visitor = visit(space)
    assert visitor.page.locator("#empty strong").all_inner_texts() == ["Bold"]
    assert OVER in visitor.text("#empty .text")
    assert visitor.page.locator(".over").count() == 0


def test_gradios_description_of_the_api_is_shown_when_it_is_asked_for(visit: Visit, space: App) -> None:
    visitor = visit(space)
    visitor.page.goto(f"{space.url}/?view=api")
    visitor.page.wait_for_selector('text="/chat"')
    assert not visitor.page.is_visible("#app")
