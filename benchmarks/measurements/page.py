"""Measures the page in a browser against Gradio's own chat page: what it loads, and how it keeps up with a reply."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import yaml
from playwright.sync_api import sync_playwright

from tests.browser.visitor import conversation, kept
from tests.conftest import CHROMIUM, FLAGS
from tests.running import App
from tests.standins.apps.scripted_app import PIECE

TURNS, PAUSE = 100, 0.01  # earlier turns of the conversation; seconds between two pieces of the reply
TURN = ("before", "before " * 50)
CHARACTERS = 16_000
PARAGRAPH = (
    "## A heading\n\nA paragraph with **bold** words, `code` and a [link](https://example.com), long enough to be "
    "wrapped on a phone and a desk.\n\n- a list\n- of two\n\n```python\nfor number in range(10):\n    print(number)\n"
    "```\n\n"
)
WATCH = """() => {
  window.seen = { updates: 0, longest: 0, busy: 0 };
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) {
      seen.longest = Math.max(seen.longest, duration);
      seen.busy += duration;
    }
  }).observe({ type: "longtask" });
  let length = 0;
  const look = () => {
    const now = [...document.querySelectorAll("%s")].pop()?.textContent.length ?? 0;
    if (now !== length) seen.updates += 1;
    length = now;
    requestAnimationFrame(look);
  };
  look();
}"""


@dataclass(frozen=True)
class Page:
    """What one visit took: until the page could be typed in, and while the reply came."""

    requests: float
    kilobytes: float
    seconds: float
    updates_per_second: float
    longest_task: float
    """Milliseconds; 0 where no task took more than 50."""
    busy: float
    """Milliseconds of all such tasks together."""


@dataclass(frozen=True)
class Kind:
    """How a page is visited: the selectors of its field and of its messages, and a script that runs before its own."""

    script: str
    field: str
    message: str
    before: str = ""


LONG = conversation("long", *[TURN] * TURNS)
KINDS = {
    "Gradio's chat page": Kind("benchmarks/systems/paced.py", "textarea", "[data-testid=bot]"),
    "this app": Kind(
        "tests/standins/apps/scripted_app.py", "#message", ".message.assistant", kept(LONG, opened="long")
    ),
}


def visits(folder: Path, rounds: int) -> dict[str, Page]:
    """Medians over interleaved rounds, each with a browser that has nothing of the page yet."""
    found: dict[str, list[Page]] = {name: [] for name in KINDS}
    with _apps(folder) as apps, sync_playwright() as playwright:
        for _ in range(rounds):
            for name, kind in KINDS.items():
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())
                found[name].append(_visit(browser.new_page(viewport={"width": 1280, "height": 800}), apps[name], kind))
                browser.close()
    return {name: _medians(pages) for name, pages in found.items()}


@contextmanager
def _apps(folder: Path) -> Iterator[dict[str, str]]:
    text, script, history = folder / "text.md", folder / "script.yaml", folder / "history.json"
    written = (PARAGRAPH * (CHARACTERS // len(PARAGRAPH) + 1))[:CHARACTERS]
    text.write_text(written, "utf-8")
    script.write_text(yaml.safe_dump({"Write": {"says": written, "pause": PAUSE}}), "utf-8")
    said = [{"role": role, "content": words} for role, words in zip(("user", "assistant"), TURN, strict=True)]
    history.write_text(json.dumps(said * TURNS), "utf-8")
    files = {"TEXT": str(text), "SCRIPT": str(script), "HISTORY": str(history)}
    env = {**files, "PIECE": str(PIECE), "PAUSE": str(PAUSE)}
    apps = {name: App(folder, {}, kind.script, env, fresh=True) for name, kind in KINDS.items()}
    try:
        yield {name: app.url for name, app in apps.items()}
    finally:
        for app in apps.values():
            app.end()


def _visit(page: Any, url: str, kind: Kind) -> Page:
    sizes: list[float] = []
    network = page.context.new_cdp_session(page)
    network.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    network.send("Network.enable")
    page.add_init_script(kind.before)
    page.goto(url)
    page.wait_for_selector(f"{kind.field}:enabled")
    loaded, seconds = list(sizes), page.evaluate("performance.now() / 1000")
    page.wait_for_function(f"document.querySelectorAll({kind.message!r}).length >= {TURNS}")
    page.wait_for_timeout(3000)  # until nothing of the loading is left
    page.fill(kind.field, "Write")
    page.evaluate(WATCH % kind.message)
    began = page.evaluate("performance.now()")
    page.keyboard.press("Enter")
    page.wait_for_function(
        f"[...document.querySelectorAll({kind.message!r})].pop()?.textContent.length > {CHARACTERS * 0.75}",
        timeout=180_000,
    )
    took, seen = (page.evaluate("performance.now()") - began) / 1000, page.evaluate("seen")
    return Page(len(loaded), sum(loaded) / 1000, seconds, seen["updates"] / took, seen["longest"], seen["busy"])


def _medians(pages: list[Page]) -> Page:
    return Page(*(statistics.median(column) for column in zip(*map(astuple, pages), strict=True)))


def lines(found: dict[str, Page]) -> str:
    """As a Markdown table."""
    names = [field.name.replace("_", " ") for field in fields(Page)]
    rows = [f"| {name} | {' | '.join(f'{value:.1f}' for value in astuple(page))} |" for name, page in found.items()]
    return "\n".join([f"| page | {' | '.join(names)} |", f"| --- {'| ---: ' * len(names)}|", *rows])
