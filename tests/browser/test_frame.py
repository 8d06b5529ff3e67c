"""The page in the frame in which the Hub shows a Space: a page of another origin, which asks for its height and sets it.

tests/standins/host.html is that page. It was compared by hand with the npm package iframe-resizer 4.3.6, whose script and
`iFrameResize({checkOrigin: false}, '#space')` took the place of its own: resting, with settings, with a full box and in a
window made 100 px lower, at three sizes, the frame had the same height in both. It refuses what the package refuses:
messages of a frame it doesn't know, and of a kind it doesn't know.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from streamspace.i18n import t
from tests.browser.visitor import conversation
from tests.conftest import FLAGS, WHOLE_CHROMIUM
from tests.running import ROOT, App

HUB = "https://huggingface.co/spaces/owner/space"
HEADER = 56  # pixels above the frame
SIZES = [(1280, 800), (1366, 768), (1280, 600), (1920, 1080), (768, 1024), (390, 844), (390, 664)]
LONG = conversation("long", *[(f"Question {number}", "An answer. " * 60) for number in range(20)])


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The scripted page as a Space serves it."""
    env = {"SPACE_HOST": "127.0.0.1"}
    running = App(tmp_path_factory.mktemp("framed"), script="tests/standins/apps/scripted_app.py", env=env)
    yield running
    running.end()


@pytest.fixture(scope="module")
def local() -> Any:
    """A Chromium whose Hub may frame the loopback."""
    from playwright.sync_api import sync_playwright

    if WHOLE_CHROMIUM is None:
        pytest.skip("no Chromium with settings of a profile, which its headless shell hasn't")
    with sync_playwright() as playwright:
        yield playwright.chromium


@pytest.fixture
def framed(local: Any, space: App, tmp_path: Path) -> Iterator[Callable[..., tuple[Any, Any]]]:
    """Opens the Hub's page: the window, and the frame in it."""
    opened = []

    def open_page(preferences: dict[str, Any] | None = None, **window: Any) -> tuple[Any, Any]:
        if preferences:
            (tmp_path / "Default").mkdir()
            (tmp_path / "Default/Preferences").write_text(json.dumps(preferences))
        flags = [*FLAGS.split(), "--disable-features=LocalNetworkAccessChecks"]
        context = local.launch_persistent_context(
            tmp_path, executable_path=WHOLE_CHROMIUM, args=flags, headless=True, **window
        )
        opened.append(context)
        page = context.new_page()
        host = (ROOT / "tests/standins/host.html").read_text("utf-8").replace("ADDRESS", space.url)
        page.route(f"{HUB}*", lambda route: route.fulfill(content_type="text/html", body=host))
        page.goto(HUB)
        frame = page.frames[1]
        frame.wait_for_selector("#message")
        frame.wait_for_function("window.parentIFrame && streamspace.parts.reply")
        return page, frame

    yield open_page
    for context in opened:
        context.close()


def grown(page: Any, state: str) -> Iterator[str]:
    """Whether the frame, or the host's page, is higher than the window."""
    page.wait_for_timeout(250)  # the package asks every 32 ms
    height = page.viewport_size["height"]
    frame, whole = page.evaluate(
        "[document.querySelector('iframe').offsetHeight, document.documentElement.scrollHeight]"
    )
    if frame > height - HEADER or whole > height:
        yield f"{state} at {page.viewport_size}: the frame is {frame} px high, the page {whole}"


def test_the_frame_is_never_higher_than_the_window(framed: Callable[..., tuple[Any, Any]]) -> None:
    page, frame = framed()
    frame.evaluate(f"localStorage.setItem('streamspace:/:long', {json.dumps(json.dumps(LONG))})")
    frame.evaluate("sessionStorage.setItem('streamspace:/:open', 'long')")
    wrong: list[str] = []
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        wrong += grown(page, "resting")
        frame.fill("#message", "line\n" * 80)
        wrong += grown(page, "with a full box")
        frame.fill("#message", "")
        frame.click("#open-settings")
        wrong += grown(page, "with settings")
        frame.locator("#settings [aria-label=Close]").click()
    frame.fill("#message", "slow")
    frame.click("#send")
    frame.wait_for_selector("text=word word")
    wrong += grown(page, "while a reply is written")
    page.goto(HUB)
    frame = page.frames[1]
    frame.wait_for_selector("#message")
    frame.wait_for_function("window.parentIFrame")
    wrong += grown(page, "with a long conversation")
    assert wrong == []
    assert page.evaluate("heights.length") > 0  # the frame does speak the protocol
    assert page.evaluate("refused") == []


def test_storage_that_a_frame_is_refused_is_told_and_the_tab_goes_on(framed: Callable[..., tuple[Any, Any]]) -> None:
    _page, frame = framed({"profile": {"default_content_setting_values": {"cookies": 2}}})  # sites may store nothing
    assert (
        frame.evaluate("(() => { try { return localStorage.length } catch (error) { return error.name } })()")
        == "SecurityError"
    )
    assert frame.inner_text("#notice") == t("page.storage_refused").in_language("en")
    for text in ("one", "two"):
        frame.fill("#message", text)
        frame.click("#send")
        frame.wait_for_selector(f".message.assistant:not(.writing) >> text={text}")
    frame.evaluate(
        "document.documentElement.classList.contains('sidebar') || document.querySelector('#open-sidebar').click()"
    )
    frame.click("#sidebar .new")
    assert frame.locator(".message").count() == 0
    frame.click("#sidebar .open")
    frame.wait_for_function("document.querySelectorAll('.message.user').length === 2")  # it opens a moment later
