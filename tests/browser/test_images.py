"""Images in a real browser: shown, sent, taken away and refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streamspace.i18n import t
from tests.browser.conftest import PHONE
from tests.browser.visitor import Visitor
from tests.conftest import Probe
from tests.running import App
from tests.standins import vision

Visit = Callable[..., Visitor]


def attach(visitor: Visitor, *paths: Path) -> None:
    """Chooses files by the button."""
    with visitor.page.expect_file_chooser() as chooser:
        visitor.page.click("#attach")
    chooser.value.set_files([str(path) for path in paths])


def attached(visitor: Visitor) -> int:
    """The number of images in the box that have been uploaded."""
    return int(visitor.page.locator(".chips li:not(.reading) img").count())


def seen(visitor: Visitor) -> list[Any]:
    """The width of each image in the visitor's own messages; 0 is one that isn't shown."""
    return list(
        visitor.page.evaluate("[...document.querySelectorAll('.message.user img')].map((image) => image.naturalWidth)")
    )


@pytest.mark.parametrize("window", [{}, PHONE], ids=["desk", "phone"])
def test_a_visitor_shows_an_image_and_watches_the_reply_grow(
    visit: Visit, image_space: App, image_probe: Probe, tmp_path: Path, window: dict[str, Any]
) -> None:
    visitor = visit(image_space, **window)
    attach(visitor, vision.picture(tmp_path, size=(640, 400)))
    visitor.wait(lambda: attached(visitor) == 1)
    lengths = set()
    with image_probe.set("slow", "0.03"):
        visitor.say(vision.ASK)
        visitor.wait(lambda: seen(visitor) == [640], 5)
        assert attached(visitor) == 0
        while not visitor.idle():
            lengths.add(len("".join(visitor.replies())))
            visitor.page.wait_for_timeout(25)
    assert len(lengths) >= 3
    assert visitor.questions() == [vision.ASK]
    visitor.reload()
    visitor.wait(lambda: seen(visitor) == [640])
    assert visitor.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert visitor.problems == []
    assert visitor.outside == []


def test_nothing_is_sent_while_an_image_is_on_its_way(visit: Visit, image_space: App, tmp_path: Path) -> None:
    visitor = visit(image_space)
    visitor.page.route("**/upload*", lambda route: (visitor.page.wait_for_timeout(700), route.continue_()))
    attach(visitor, vision.picture(tmp_path, size=(200, 100)))
    visitor.page.fill("#message", vision.ASK)
    visitor.page.click("#send")
    assert (visitor.questions(), visitor.page.input_value("#message")) == ([], vision.ASK)
    visitor.wait(lambda: attached(visitor) == 1)
    visitor.page.click("#send")
    visitor.wait(lambda: seen(visitor) == [200] and visitor.idle())
    assert visitor.problems == []


def test_an_image_can_be_taken_away_again_and_stays_with_a_draft(
    visit: Visit, image_space: App, tmp_path: Path
) -> None:
    visitor = visit(image_space)
    attach(visitor, vision.picture(tmp_path))
    visitor.wait(lambda: attached(visitor) == 1)
    visitor.page.fill("#message", "What is it?")
    visitor.reload()
    visitor.wait(lambda: attached(visitor) == 1)
    visitor.page.click(".chips button")
    assert (attached(visitor), visitor.page.input_value("#message")) == (0, "What is it?")


def test_what_the_server_refuses_is_told_under_the_question(visit: Visit, image_space: App, tmp_path: Path) -> None:
    visitor = visit(image_space)
    (tmp_path / "cat.png").write_text("Dear diary")
    attach(visitor, tmp_path / "cat.png")
    visitor.wait(lambda: visitor.page.locator(".chips li:not(.reading)").count() == 1)
    visitor.say(vision.ASK)
    visitor.wait(
        lambda: (
            visitor.idle()
            and "'cat.png' is not an image that can be read here" in visitor.text(".message.assistant .status")
        )
    )
    visitor.page.click("#sidebar .new")
    attach(visitor, vision.picture(tmp_path))
    visitor.wait(lambda: attached(visitor) == 1)
    visitor.ask(vision.ASK)
    assert visitor.replies()[-1]


def test_more_images_than_the_space_takes_are_refused_at_once(visit: Visit, image_space: App, tmp_path: Path) -> None:
    visitor = visit(image_space)
    picture = vision.picture(tmp_path)
    attach(visitor, *[picture] * 5)
    visitor.wait(lambda: visitor.text("#notice") == t("page.file_many", most=4).in_language("en"))
    visitor.wait(lambda: attached(visitor) == 4)
