"""Every character that a model or a visitor writes, in the page's own modules in a real browser: shown, and harmless."""

from __future__ import annotations

import random
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
import yaml

from tests.browser.visitor import Visitor
from tests.running import ROOT, App

CORPUS = yaml.safe_load((ROOT / "tests/data/characters.yaml").read_text("utf-8"))
# Draws each text as a reply that came at once, as one that came in pieces, and as a question; gives what there is then.
DRAW = """async ({ messages }, texts) => {
  const host = document.body.appendChild(document.createElement("div"));
  host.hidden = true; // without its layout it is quick
  const actions = { retries: true };
  const draw = (text, size) => {
    const place = host.appendChild(document.createElement("div"));
    const view = messages.view(place, actions, () => true);
    const node = { id: "a", parent: null, role: "assistant", created: 0, revised: 0, parts: [], state: "writing" };
    const letters = [...text];
    for (let end = size; end < letters.length + size; end += size) {
      node.parts = [{ kind: "answer", text: letters.slice(0, end).join(""), seconds: 0 }];
      view.draw({ nodes: { a: node } }, [node], true);
    }
    node.state = "done";
    view.draw({ nodes: { a: node } }, [node], false);
    return place.querySelector(".answer");
  };
  const asked = (text) => {
    const place = host.appendChild(document.createElement("div"));
    const node = { id: "a", parent: null, role: "user", text, files: [] };
    messages.view(place, actions, () => true).draw({ nodes: { a: node } }, [node], false);
    return place.querySelector(".text").textContent;
  };
  const drawn = [];
  for (const text of texts) {
    const count = [...text].length;
    const sizes = count > 2000 ? [Math.ceil(count / 12)] : [1, 3, 7];
    drawn.push([draw(text, count), sizes.map((size) => draw(text, size)), asked(text)]);
    await new Promise((next) => setTimeout(next));
  }
  await new Promise((done) => {
    let last = performance.now();
    new MutationObserver(() => { last = performance.now(); }).observe(host, { childList: true, subtree: true });
    const timer = setInterval(() => performance.now() - last > 700 && done(clearInterval(timer)), 50);
  });
  const html = (place) => place.innerHTML.replace(/drawing-\\d+/g, "drawing");
  const found = drawn.map(([whole, pieces, question]) => {
    const plain = whole.cloneNode(true);
    for (const formula of plain.querySelectorAll("[data-tex]")) formula.replaceWith(formula.dataset.tex);
    const all = (selector) => [...whole.querySelectorAll(selector)];
    return {
      question, visible: plain.textContent, same: pieces.every((each) => html(each) === html(whole)),
      math: all(".math").map((each) => each.dataset.tex.trim()), code: all("code").map((each) => each.textContent),
      bold: [...plain.querySelectorAll("strong")].map((each) => each.textContent), drawings: all(".drawing").length,
      parts: [...new Set(all("*:not(.katex *, .bar svg, .bar svg *)").map((each) => [each.localName, ...[...each.attributes].map(({ name }) => name)].join(" ")))].map((each) => each.split(" ")),
    };
  });
  host.remove();
  return found;
}"""


@pytest.fixture(scope="module")
def visitor(browser: Any, scripted: App) -> Iterator[Visitor]:
    context = browser.new_context(bypass_csp=True)  # the policy isn't what keeps a text harmless here
    yield Visitor(context.new_page(), scripted.url)
    context.close()


def whole(entry: dict[str, Any]) -> str:
    return str(entry.get("before", "") + entry["text"] * entry.get("repeat", 1) + entry.get("after", ""))


def squeezed(text: str) -> str:
    """With one blank for each run of Markdown's white space."""
    return " ".join(text.replace("\t", " ").replace("\n", " ").replace("\r", " ").split(" ")).strip()


def letters(text: str, hidden: list[str]) -> str:
    found = "".join(filter(str.isalnum, text))
    for each in hidden:
        found = found.replace(each, "", 1)
    return found


def faults(entry: dict[str, Any], shown: dict[str, Any]) -> Iterator[str]:
    """What is wrong with a text on the page."""
    text, visible = whole(entry), " ".join(filter(None, squeezed(shown["visible"]).split(" ")))
    for part in entry.get("shows", []):
        if " ".join(filter(None, squeezed(part).split(" "))) not in visible:
            yield f"{part!r} isn't in {visible[:300]!r}"
    if letters(text, entry.get("hides", [])) != letters(visible, []):
        yield f"letters are missing: {visible[:300]!r}"
    for kind in ("math", "code", "bold"):
        told = kind in entry or (kind == "math" and not entry.get("large"))
        if told and shown[kind] != entry.get(kind, []):
            yield f"{kind}: {entry.get(kind, [])} was expected, got {shown[kind]}"
    if not shown["same"]:
        yield "it isn't the same when it comes in pieces"
    if shown["question"] != text:
        yield f"as a question it is {shown['question'][:300]!r}"


def test_every_character_is_shown_however_the_reply_comes(visitor: Visitor) -> None:
    assert len(CORPUS) >= 60
    found = visitor.run(DRAW, [whole(entry) for entry in CORPUS])
    wrong = [
        f"{entry['name']}: {fault}"
        for entry, shown in zip(CORPUS, found, strict=True)
        for fault in faults(entry, shown)
    ]
    assert wrong == []
    assert visitor.problems == []


# Each step of a random text is parsed on from the step before, and must be what parsing all of it gives.
GROW = """({ markdown }, seed) => {
  const bits = ["a", "b ", "\\n", "\\n\\n", "- ", "1. ", "> ", "```", "$$", "$", "\\\\[", "\\\\]", "# ", "*", "**", "`", "| a | b |\\n|---|---|\\n", "    ", "  ", "---",
    "===", "<br>", "\\\\begin{align}", "\\\\end{align}", "\\\\", "&amp;", "~~~", "[x](y)", "x: y", "\\t", "\\u2028", "\\u200f", "重"];
  const random = () => ((seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648);
  const wrong = [];
  for (let trial = 0; trial < 1500; trial += 1) {
    let [text, before, known] = ["", "", []];
    for (let count = 3 + random() * 30; count > 0; count -= 1) {
      text += bits[Math.floor(random() * bits.length)];
      known = markdown.blocks(text, before, known);
      before = text;
    }
    if (JSON.stringify(known) !== JSON.stringify(markdown.blocks(text))) wrong.push(text);
  }
  return wrong;
}"""


def test_parsing_on_gives_what_parsing_all_of_it_gives(visitor: Visitor) -> None:
    seed = random.randrange(2**31)
    assert visitor.run(GROW, seed) == [], seed


PIECES = [
    "<b>", "</p>", "<!--", "-->", "<?x", "<![CDATA[", "<form action=/x>", "<input type=password>", "<b id=status>", "<button id=place>",
    "<img src=x onerror=window.hit=1>", "<svg onload=window.hit=1>", "</code></pre>", "<br>", "<br onclick=x>", "<sub>", "</sub>", "<details>",
    "<https://a.b/?c=1>", "<javascript:window.hit=1>", "[x](javascript:window.hit=1)", "<a", "<", ">", "&lt;i&gt;", "&#60;i&#62;", "`", "``",
    "```", "````", "~~~", "```html\n", "```a`b\n", '```"onload="x\n', "~~~x`y\n", "\\", "\\`", "\\<", "*", "_", "~~", "- ", "1. ", "- ```\n", "> ", "# ",
    "|a|b|\n|-|-|\n", "|", "[x](", ")", "![", "[a]: ", "$", "$$", "\\(", "\\[", "$\\href{javascript:window.hit=1}{x}$", "$\\htmlId{send}{x}$",
    "\\begin{align}", "\\end{align}", "    ", "  ", "\t", " ", "a", "1", "\n", "\n\n", "\r\n", "\r", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\xa0", "\ufeff", "😀",
]  # fmt: skip
TAGS = set(
    "div p br hr h1 h2 h3 h4 h5 h6 ul ol li blockquote pre code em strong s del a table thead tbody tr th td sub sup kbd mark u span".split()
)
OWN = {"button", "img"}  # what copies code, and a diagram
ATTRIBUTES = set(
    "class dir href target rel title start style tabindex data-language data-display data-tex data-map".split()
)


@pytest.fixture(scope="module")
def second() -> Iterator[tuple[str, list[str]]]:
    """Another server, and what was asked of it."""
    asked: list[str] = []

    class Noting(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(404)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Noting)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def outside(address: str) -> list[str]:
    return [
        f"![x]({address}/a)", f"![x](<{address}/b>)", f"<img src={address}/c>", f"<img srcset='{address}/d 2x'>", f"<link rel=stylesheet href={address}/e>",
        f"<iframe src={address}/f></iframe>", f"<video poster={address}/g>", f"<style>@import '{address}/h'</style>", f"<script src={address}/i></script>",
        f"<div style='background: url({address}/j)'>", f"$\\includegraphics{{{address}/k}}$", f"$$\\href{{{address}/l}}{{x}}$$", f"<meta http-equiv=refresh content='0;url={address}/m'>",
        f"<object data={address}/n>", f"<base href={address}/>", f"```html\n<img src={address}/o>\n```", f"<svg><image href={address}/p></svg>",
        f'```mermaid\ngraph TD\nA["<img src={address}/q>"]\n```', f"```mermaid\ngraph TD\nA-->B\nclick A href \"{address}/r\"\nstyle A fill:url({address}/s)\n```",
        f'```mermaid\n%%{{init: {{"themeCSS": "@import url({address}/t);", "fontFamily": "x;background:url({address}/u)"}}}}%%\ngraph TD\nA-->B\n```',
    ]  # fmt: skip


def test_no_text_becomes_anything_but_markdown_and_nothing_is_fetched_or_run(
    visitor: Visitor, second: tuple[str, list[str]]
) -> None:
    address, asked = second
    seed = random.randrange(2**31)
    chosen = random.Random(seed)
    texts = ["".join(chosen.choices(PIECES, k=chosen.randrange(1, 24))) for _ in range(250)] + outside(address)
    found = visitor.run(DRAW, texts)
    for text, shown in zip(texts, found, strict=True):
        tags = {name for name, *_ in shown["parts"]}
        names = {each for name, *given in shown["parts"] if name not in OWN for each in given}
        assert (tags - TAGS - OWN, names - ATTRIBUTES) == (set(), set()), (seed, text)
        assert shown["question"] == text
        assert shown["same"], (seed, text)
    assert visitor.page.evaluate("window.hit") is None
    assert asked == []
    assert visitor.outside == []
    assert visitor.problems == []


DIAGRAMS = {
    "a form": 'graph TD\nA["<form id=status action=/x><input type=password><button id=send>x</button></form><i>y</i>"]',
    "the page's names": "gantt\ndateFormat YYYY-MM-DD\nx :message, 2014-01-01, 1d\ny :send, 2014-01-02, 1d",
    "a script": 'graph TD\nA["<script>window.hit=1</script>"]\nclick A call alert()\nclick A href "javascript:window.hit=1"',
    "a class": "classDiagram\nA <|-- B\nclass A\n<<interface>> A",
}


def test_a_diagram_is_a_picture_beside_its_source_whatever_its_labels_hold(visitor: Visitor) -> None:
    found = visitor.run(DRAW, [f"```mermaid\n{diagram}\n```\n" for diagram in DIAGRAMS.values()])
    for (name, diagram), shown in zip(DIAGRAMS.items(), found, strict=True):
        assert shown["code"] == [f"{diagram}\n"], name
        assert {tag for tag, *_ in shown["parts"]} <= {"div", "span", "pre", "code", "button", "img"}, name
    assert [shown["drawings"] for shown in found][1::2] == [1, 1]
    assert visitor.page.locator("body > [id^=d]:not([id=deck])").count() == 0  # mermaid's own place to draw
    assert visitor.page.evaluate("window.hit") is None
