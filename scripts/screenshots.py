"""Takes docs/screenshots again, and docs/streaming.webp: the app with the embedded model in headless Chromium.

`make screenshots` runs it; `make screenshots ARGS=streaming` takes the animation only. Look at the results before you
commit them.
"""

from __future__ import annotations

import io
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser.visitor import Visitor  # noqa: E402
from tests.conftest import CHROMIUM, FLAGS, Probe  # noqa: E402
from tests.running import App  # noqa: E402

FOLDER = ROOT / "docs/screenshots"
VIEWS = {
    "": ("light", 1280, 800),
    "-dark": ("dark", 1280, 800),
    "-phone": ("light", 390, 800),
    "-phone-dark": ("dark", 390, 800),
}
COLORS = 96  # of the palette; a page of text needs no more
ANIMATION = ROOT / "docs/streaming.webp"
SECONDS_PER_TOKEN = "0.03"  # the embedded model is too fast to watch
LAST_FRAME = 3.0  # seconds until the animation starts again


def empty(visitor: Visitor) -> None:
    """Before the first question."""


def writing(visitor: Visitor) -> None:
    """While a reply is written."""
    visitor.say("Count to two hundred")
    visitor.wait(lambda: len("".join(visitor.replies())) > 120)


def chat(visitor: Visitor) -> None:
    """After a reply, with its figures."""
    _ask(visitor, "How do I change the model?")


def thoughts(visitor: Visitor) -> None:
    """A reply with its thoughts unfolded."""
    _ask(visitor, "Is 9.11 larger than 9.9?")
    visitor.page.click("details.reasoning > summary")


def error(visitor: Visitor) -> None:
    """A question that is refused."""
    visitor.say("Could you go through all of this with me, please? " * 12)
    visitor.wait(lambda: visitor.text("#notice"))


def long(visitor: Visitor) -> None:
    """A long conversation, and others at the side where there is room."""
    for texts in (["What is ZeroGPU?"], ["Show me a table"], ["Hello", "What is streaming?", "Show me a table"]):
        if visitor.questions():
            visitor.page.evaluate("document.querySelector('#sidebar [data-action=create]').click()")
            visitor.wait(lambda: not visitor.questions())
        for text in texts:
            _ask(visitor, text)


def completion(visitor: Visitor) -> None:
    """The page of a base model."""
    visitor.ask("A Space is")


def diagnosis(visitor: Visitor) -> None:
    """A model that isn't there."""
    visitor.page.wait_for_selector("#banner.error")


def settings(visitor: Visitor) -> None:
    """The panel of settings beside the conversation."""
    _ask(visitor, "What is ZeroGPU?")
    visitor.page.click("#open-settings")


def sidebar(visitor: Visitor) -> None:
    """The list of conversations, and the menu of one."""
    _ask(visitor, "What is ZeroGPU?")
    if not visitor.page.is_visible("#sidebar"):
        visitor.page.click("#open-sidebar")
    visitor.page.click("#sidebar [aria-haspopup=menu]")


def streaming(visitor: Visitor) -> Iterator[None]:
    """A reply from its first token to its last, and one that is stopped; yields whenever a frame is to be taken."""
    for text, done in (
        ("How do I change the model?", visitor.idle),
        ("Count to two hundred", lambda: len(visitor.replies()[-1]) > 100),
    ):
        for end in range(3, len(text) + 3, 3):
            visitor.page.fill("#message", text[:end])
            yield
        visitor.page.keyboard.press("Enter")
        visitor.wait(lambda text=text: text in visitor.questions())
        while visitor.idle():
            yield
        while not done():
            yield
    visitor.page.click("#stop")
    while not visitor.idle():
        yield
    visitor.page.wait_for_timeout(500)
    yield


def main(only: list[str]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with _browser() as browser:
        _film(browser)
        if only:
            return
        _shoot(browser, {}, [empty, writing, chat, thoughts, long, settings, sidebar])
        _shoot(browser, {"limits.prompt_characters": 500}, [error])
        _shoot(browser, {"task": "completion"}, [completion])
        _shoot(browser, {"model.id": "./models/elsewhere"}, [diagnosis])
    size = sum(path.stat().st_size for path in FOLDER.glob("*.png"))
    print(f"{len(list(FOLDER.glob('*.png')))} screenshots, {size / 1e6:.1f} MB, in {FOLDER.relative_to(ROOT)}")


@contextmanager
def _browser() -> Iterator[Any]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())
        yield browser
        browser.close()


def _shoot(browser: Any, changes: dict[str, Any], scenes: list[Callable[[Visitor], None]]) -> None:
    """One app, and all its scenes in all views."""
    with tempfile.TemporaryDirectory() as folder:
        app = App(Path(folder), changes)
        try:
            for scene in scenes:
                for name, (scheme, width, height) in VIEWS.items():
                    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
                    visitor = Visitor(context.new_page(), app.url)
                    visitor.page.wait_for_timeout(1000)
                    scene(visitor)
                    visitor.page.mouse.move(0, height - 1)
                    visitor.page.wait_for_timeout(50 if scene is writing else 800)
                    _save(visitor.page.screenshot(), FOLDER / f"{scene.__name__}{name}.png")
                    context.close()
        finally:
            app.end()


def _film(browser: Any) -> None:
    """The animation: frames with the times at which they were taken, so that it plays at the speed that it had."""
    with tempfile.TemporaryDirectory() as folder:
        app = App(Path(folder), script="tests/standins/apps/probed_app.py", env={"PROBE": folder})
        try:
            visitor = Visitor(browser.new_page(viewport={"width": 960, "height": 640}), app.url)
            visitor.wait(lambda: visitor.page.request.get(f"{app.url}/health").ok)
            with Probe(Path(folder)).set("slow", SECONDS_PER_TOKEN):
                shots = [(time.monotonic(), visitor.page.screenshot()) for _ in streaming(visitor)]
        finally:
            app.end()
    starts = [moment for moment, _ in shots] + [shots[-1][0] + LAST_FRAME]
    frames = [Image.open(io.BytesIO(shot)).convert("RGB") for _, shot in shots]
    durations = [round(1000 * (after - before)) for before, after in pairwise(starts)]
    frames[0].save(ANIMATION, save_all=True, append_images=frames[1:], duration=durations, loop=0, quality=70, method=6)
    print(f"{len(frames)} frames, {starts[-1] - starts[0]:.0f} s, {ANIMATION.stat().st_size / 1e3:.0f} kB")


def _ask(visitor: Visitor, text: str) -> None:
    visitor.ask(text)


def _save(shot: bytes, path: Path) -> None:
    image = Image.open(io.BytesIO(shot)).convert("RGB").quantize(COLORS, dither=Image.Dither.NONE)
    image.save(path, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
