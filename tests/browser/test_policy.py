"""The content policy in a real browser: the whole page works under it, and each directive stops what it is for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from streamspace.web.door import POLICY
from tests.running import App

AWAY = "http://127.0.0.1:9"  # another origin
NOTING = "window.violations = []; addEventListener('securitypolicyviolation', (found) => violations.push(found.effectiveDirective))"
ALL = "Here is `code`, $x^2$ and\n\n```html\n<b>x</b>\n```\n\n```mermaid\ngraph TD\nA-->B\n```\n\n$$\\int_0^1 x$$\n"
ELEMENT = "(() => {{ const made = Object.assign(document.createElement('{}'), {}); document.body.append(made); {} }})()"


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The page as a Space serves it, with a reply that needs all that Gradio can draw."""
    folder = tmp_path_factory.mktemp("policy")
    (folder / "script.yaml").write_text(yaml.safe_dump({"all": {"says": ALL}}))
    env = {"SCRIPT": str(folder / "script.yaml"), "SPACE_HOST": "owner-name.hf.space"}
    running = App(folder, script="tests/standins/apps/scripted_app.py", env=env)
    yield running
    running.end()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    context = browser.new_context()
    context.grant_permissions(["local-network-access"])  # to frame the loopback from a site
    context.add_init_script(NOTING)
    yield context.new_page()
    context.close()


def assert_all_is_drawn(where: Any) -> None:
    """Streams the reply, and waits for its formulas, its coloured code and its diagram."""
    where.wait_for_selector("#message")
    where.wait_for_function("streamspace.parts.reply")
    where.fill("#message", "all")
    where.click("#send")
    for part in (".katex-display", ".katex", "code .token.tag", "img.drawing", ".figures"):
        where.wait_for_selector(f"#conversation {part}", state="attached")
    where.wait_for_function("document.querySelector('img.drawing').naturalWidth > 0")
    assert where.evaluate("violations") == []
    assert where.evaluate("[...document.fonts].every((font) => font.status !== 'error')")


def test_the_page_works_under_its_policy(page: Any, space: App) -> None:
    page.goto(space.url)
    assert_all_is_drawn(page)


def frame(page: Any, space: App, origin: str) -> Any:
    """The Space's page in a frame of another site's."""
    body = f"<h1>parent</h1><iframe src={space.url} width=900 height=700></iframe>"
    page.route(f"{origin}/**", lambda route: route.fulfill(content_type="text/html", body=body))
    page.goto(f"{origin}/spaces/owner/name")
    return page.frames[1]


def test_the_page_works_in_the_frame_of_the_hub(page: Any, space: App) -> None:
    framed = frame(page, space, "https://huggingface.co")
    assert_all_is_drawn(framed)
    page.evaluate(
        "addEventListener('message', ({ data, ports }) => { window.asked = data; ports[0]?.postMessage('quota'); })"
    )
    answer = framed.evaluate(  # as Gradio's client asks for the headers that carry a visitor's quota
        """() => new Promise((answered) => {
          const channel = new MessageChannel();
          channel.port1.onmessage = ({ data }) => answered(data);
          window.parent.postMessage("zerogpu-headers", "https://huggingface.co", [channel.port2]);
        })"""
    )
    assert (answer, page.evaluate("asked")) == ("quota", "zerogpu-headers")


def test_the_page_is_not_framed_by_anyone_else(page: Any, space: App) -> None:
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    framed = frame(page, space, "https://evil.example")
    page.wait_for_timeout(500)
    assert framed.url == "chrome-error://chromewebdata/"
    assert "frame-ancestors" in told[0]


ATTEMPTS = {
    "default-src": ELEMENT.format("link", f"{{ rel: 'prefetch', href: '{AWAY}/x' }}", ""),
    "script-src": ELEMENT.format("script", f"{{ src: '{AWAY}/x.js' }}", ""),
    "style-src": ELEMENT.format("link", f"{{ rel: 'stylesheet', href: '{AWAY}/x.css' }}", ""),
    "img-src": ELEMENT.format("img", f"{{ src: '{AWAY}/x.png' }}", ""),
    "media-src": ELEMENT.format("video", f"{{ src: '{AWAY}/x.mp4' }}", ""),
    "font-src": f"new FontFace('x', 'url({AWAY}/x.woff2)').load().catch(() => 0)",
    "connect-src": f"fetch('{AWAY}/x').catch(() => 0)",
    "frame-src": ELEMENT.format("iframe", f"{{ src: '{AWAY}/x' }}", ""),
    "worker-src": "(() => { try { new Worker('data:text/javascript,0') } catch {} })()",
    "object-src": ELEMENT.format("object", f"{{ data: '{AWAY}/x.swf', type: 'text/html' }}", ""),
    "form-action": ELEMENT.format("form", f"{{ action: '{AWAY}/x', method: 'post' }}", "made.submit()"),
    "base-uri": f"document.querySelector('base').href = '{AWAY}/'",
}  # fmt: skip


def test_each_directive_stops_what_it_is_for(page: Any, space: App) -> None:
    assert set(ATTEMPTS) == set(POLICY) - {"manifest-src"}  # a browser without a window asks for no manifest
    page.goto(space.url)
    page.wait_for_selector("#message")
    assert page.evaluate("violations") == []
    for directive, attempt in ATTEMPTS.items():
        page.evaluate(f"() => {{ violations.length = 0; {attempt} }}")
        page.wait_for_function("violations.length")
        names = (directive, f"{directive}-elem", f"{directive.split('-')[0]}-src-elem", "prefetch-src")
        assert page.evaluate("violations")[0] in names, directive
