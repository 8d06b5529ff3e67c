"""What a visitor or a model writes, in the page's own parser: it becomes Markdown's elements and no others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from streamspace.web.page.markup import MARK, escape
from tests.browser.test_browser import Visitor
from tests.running import App

PIECES = [
    "<b>", "</p>", "<!--", "-->", "<?x", "<![CDATA[", "<form action=/x>", "<input type=password>", "<b id=status>", "<button id=place>",
    "<img src=x onerror=window.hit=1>", "</code></pre>", "<br>", "<details>", "<https://a.b/?c=1>", "<a", "<", ">", f"<{MARK}", f"<{MARK}i>",
    "&lt;i&gt;", "&#60;i&#62;", "`", "``", "```", "````", "~~~", "```html\n", "```a`b\n", "~~~x`y\n", "\\", "\\`", "\\<", "*", "_", "~~",
    "- ", "1. ", "- ```\n", "> ", "# ", "|a|b|\n|-|-|\n", "|", "[x](", ")", "![", "[a]: ", "$", "$$", "\\(", "\\[", "%%%LATEX_BLOCK_0%%%",
    "    ", "  ", "\t", " ", "a", "1", "\n", "\n\n", "\r\n", "\r", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\xa0", "\ufeff", "😀",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES), max_size=24).map("".join)
FEW = settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
MARKDOWN = (
    "p br hr h1 h2 h3 h4 h5 h6 ul ol li blockquote pre code em strong del a img table thead tbody tr th td input "
    "sub sup kbd details summary span div button svg"
).split()  # an input is the box of a task, and a button copies code
# What of each text is not as it should be. Code is compared without what marks a quote or a list in its lines.
WRONG = """([texts, allowed, mark]) => [...document.querySelectorAll("#conversation [data-testid=user]")].flatMap((bubble, at) => {
  const found = [], text = texts[at], squeeze = (text) => text.replace(/[\\s\\x00-\\x20\\x7f-\\xa0>|\\\\\u2060]|[-*]|\\d+[.]/g, "");
  for (const part of bubble.querySelectorAll(".prose *")) {
    if (part.closest(".katex, .katex-error, .copy_code_button") && !part.matches(".copy_code_button")) continue;
    const name = part.localName, own = part.matches("button.copy_code_button, input[type=checkbox][disabled]");
    if (!allowed.includes(name) || (/button|input/.test(name) && !own)) found.push(name);
    for (const { name: given } of part.attributes) if (/^(id|name|on.*|action|form.*)$/.test(given)) found.push(given);
  }
  for (const code of text.includes("%%%") ? [] : bubble.querySelectorAll("code")) { // Gradio's own mark of a formula
    if (!squeeze(text).includes(squeeze(code.textContent))) found.push(code.textContent);
  }
  if (bubble.textContent.includes("<" + mark)) found.push("a mark");
  return found.length ? [[text, ...found]] : [];
})"""


@pytest.fixture(scope="module")
def visitor(browser: Any, scripted: App) -> Iterator[Visitor]:
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script(f"localStorage.setItem('streamspace:/', {json.dumps(store(['hello']))})")
    yield Visitor(page, scripted.url)
    context.close()


def store(texts: list[str]) -> str:
    messages = [{"role": "user", "content": [{"type": "text", "text": escape(text)}]} for text in texts]
    return json.dumps({"current": "a", "conversations": [{"id": "a", "title": "a", "messages": messages}]})


def show(visitor: Visitor, texts: list[str]) -> None:
    """Opens a conversation of these texts, and waits until nothing in it changes any more."""
    visitor.page.evaluate(
        """async (stored) => {
          localStorage.setItem("streamspace:/", stored);
          document.querySelector("#conversations [data-action=open]").click();
          await new Promise((done) => {
            let last = performance.now();
            const watch = new MutationObserver(() => { last = performance.now(); });
            watch.observe(document.querySelector("#conversation"), { childList: true, subtree: true, characterData: true });
            const timer = setInterval(() => performance.now() - last > 300 && done(clearInterval(timer)), 50);
          });
        }""",
        store(texts),
    )


@FEW
@given(texts=st.lists(TEXTS.filter(str.strip), min_size=40, max_size=40))
def test_no_text_becomes_an_element_and_code_is_as_it_was_written(visitor: Visitor, texts: list[str]) -> None:
    show(visitor, texts)
    assert visitor.page.locator("#conversation [data-testid=user]").count() == len(texts)
    assert visitor.page.evaluate(WRONG, [texts, MARKDOWN, MARK]) == []
    assert visitor.page.evaluate("window.hit") is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a `<b>` c", "<b>"),
        ("```\n<b>\n```", "<b>\n"),
        ("```html\n<b id=\"a\">x</b> <\n```", "<b id=\"a\">x</b> <\n"),
        ("```c++\nvector<int> a; a<b;\n```", "vector<int> a; a<b;\n"),
        ("- ```\n  <b>\n  ```", "<b>\n"),
    ],
)  # fmt: skip
def test_code_shows_the_characters_written(visitor: Visitor, text: str, shown: str) -> None:
    show(visitor, [text])
    assert visitor.page.locator("#conversation code").all_text_contents() == [shown]


def test_html_in_code_is_coloured_as_html(visitor: Visitor) -> None:
    show(visitor, ['```html\n<b id="a">x</b>\n```'])
    assert visitor.page.locator("#conversation code .token.attr-name").all_text_contents() == ["id"]


@pytest.mark.parametrize(
    "text", ["a<b and c>d", "List<String> x", "<form><input name=password></form>", "</p>\u2028<b>"]
)
def test_what_looks_like_a_tag_is_shown(visitor: Visitor, text: str) -> None:
    show(visitor, [text])
    assert visitor.page.locator("#conversation [data-testid=user] .prose").all_text_contents()[0].strip() == text


def test_a_diagram_is_drawn_from_what_was_written(visitor: Visitor) -> None:
    show(visitor, ["```mermaid\nclassDiagram\nA <|-- B\nclass A\n<<interface>> A\n```\n"])
    visitor.wait(lambda: "«interface»" in visitor.page.locator("#conversation .mermaid").text_content())


@pytest.mark.parametrize(
    "diagram",
    [
        'graph TD\nA["<form id=status action=/x><input type=password><button id=send>x</button></form><i>y</i>"]',
        "gantt\ndateFormat YYYY-MM-DD\nx :status, 2014-01-01, 1d\ny :open-conversation, 2014-01-02, 1d",
    ],
)
def test_a_diagram_holds_no_form_and_none_of_the_pages_names(visitor: Visitor, diagram: str) -> None:
    show(visitor, [f"```mermaid\n{diagram}\n```\n"])
    visitor.page.wait_for_selector(
        "#conversation svg[id^=mermaid] text, #conversation svg[id^=mermaid] foreignObject i"
    )
    assert visitor.page.locator("#conversation .mermaid :is(form, input, button)").count() == 0
    assert visitor.page.locator("#conversation .mermaid [id]:not([id^=mermaid])").count() == 0
