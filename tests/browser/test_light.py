"""What the page and its updates weigh: nothing from elsewhere, little of our own, and no more with a long history."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from streamspace.config import file as configfile
from streamspace.web.page import assets, head
from tests.browser.visitor import Visitor, conversation, kept
from tests.running import ROOT, App

Visit = Callable[..., Visitor]
GRADIOS = (
    "/assets/",
    "/static/",
    "/gradio_api/",
    "/theme.css",
    "/config",
    "/manifest.json",
    "/favicon.ico",
    "/monitoring/",
)
LIBRARIES = ("katex", "mermaid", "prism")


def test_the_page_asks_for_nothing_from_elsewhere_and_for_libraries_when_a_reply_needs_them(
    visit: Visit, scripted: App
) -> None:
    asked: list[str] = []
    visitor = visit(scripted)
    visitor.page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    visitor.reload()
    assert [path for path in asked if any(name in path for name in LIBRARIES)] == []
    ours = {path for path in asked if not path.startswith(GRADIOS)} - {"/", "/health"}
    assert ours == {path for path in ours if path.startswith(f"/{assets.folder()}/")}
    assert len(ours) <= 20
    visitor.ask("code")
    visitor.wait(lambda: {name for name in LIBRARIES for path in asked if name in path} == {"katex", "prism"})
    assert visitor.outside == []


def test_our_own_files_are_small_and_are_kept_by_the_browser(visit: Visit, scripted: App) -> None:
    visitor = visit(scripted)
    home = f"/{assets.folder()}/page.css"
    assert "immutable" in visitor.page.request.get(scripted.url + home).headers["cache-control"]
    sizes = [file.stat().st_size for file in assets.STATIC.rglob("*") if file.suffix in (".js", ".css", ".mjs")]
    told = head.head(configfile.read(ROOT / "config/tiny.yaml"))
    assert sum(sizes) < 260_000  # uncompressed; Gradio's own is 20 times that
    assert len(told.encode()) < 30_000


def updates(visitor: Visitor) -> list[int]:
    """The lengths of the updates of a reply, as they come over the wire."""
    visitor.page.evaluate("""() => {
      window.sizes = [];
      const { parse } = JSON;
      JSON.parse = (text, ...more) => { if (text.includes?.("process_generating")) sizes.push(text.length); return parse(text, ...more); };
    }""")
    visitor.ask("steady")
    return list(visitor.page.evaluate("sizes"))


def test_an_update_is_as_small_after_forty_turns_as_after_two(visit: Visit, scripted: App) -> None:
    def turns(count: int) -> dict[str, Any]:
        return conversation("a", *[("before", "before")] * count)

    few, many = (updates(visit(scripted, kept(turns(count), opened="a"))) for count in (1, 40))
    assert len(few) > 5
    assert max(many) < 900
    assert abs(max(many) - max(few)) < 50
