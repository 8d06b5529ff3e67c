"""The page in a real browser of each language: all of it in that language, and nothing of another."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from streamspace.i18n import t
from tests.browser.visitor import Visitor
from tests.running import App

SCRIPT = {
    "3": {"says": "<think>\n4\n</think>\n\n```python\n5\n```\n", "until": 30},
    "6": {"says": "7" * 300, "pause": 0.2},
}
# Every text that is seen, and every name that is read out.
READ = """() => {
  const found = new Set(), walker = document.createTreeWalker(document.body, NodeFilter.SHOW_ELEMENT);
  for (let part = walker.currentNode; part; part = walker.nextNode()) {
    if (!part.checkVisibility({ visibilityProperty: true }) || part.matches("script, style, svg *")) continue;
    for (const name of ["aria-label", "title", "placeholder"]) found.add(part.getAttribute(name) ?? "");
    for (const node of part.childNodes) if (node.nodeType === Node.TEXT_NODE) found.add(node.textContent.trim());
  }
  return [...found];
}"""
SAME = {
    "Top-p",
    "Top-k",
    "Min-p",
    "Message",
    "Conversation",
    "Conversations",
    "Assistant",
    "Stop",
    "Version",
}  # the same in some
RIGHT_TO_LEFT = {"ar"}


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """A page whose own texts are numbers."""
    folder = tmp_path_factory.mktemp("languages")
    (folder / "script.yaml").write_text(yaml.safe_dump(SCRIPT), "utf-8")
    texts = {"page.title": "0", "page.description": "1", "page.placeholder": "2", "page.examples": ["3", "6"]}
    changes = {**texts, "system_prompt": "", "model.license": ""}
    env = {"SCRIPT": str(folder / "script.yaml"), "SPACE_ID": "a/b"}
    running = App(folder, changes, "tests/standins/apps/scripted_app.py", env)
    yield running
    running.end()


@pytest.fixture(scope="module")
def speak(browser: Any, space: App) -> Iterator[Callable[[str], tuple[set[str], dict[str, str]]]]:
    """What a visitor with that language reads in a whole visit, and what the page says of its language."""
    contexts = []

    def visit(locale: str) -> tuple[set[str], dict[str, str]]:
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 1600}, locale=locale))
        visitor = Visitor(contexts[-1].new_page(), space.url)
        texts: set[str] = set()

        def read() -> None:
            visitor.page.wait_for_timeout(100)
            texts.update(visitor.page.evaluate(READ))

        read()
        visitor.ask("3")
        visitor.press("retry")
        visitor.wait(lambda: visitor.idle() and visitor.page.locator(".versions").count() == 1)
        read()
        visitor.say("6")
        visitor.wait(lambda: "77" in "".join(visitor.replies()))
        read()
        visitor.page.click("#stop")
        visitor.wait(visitor.idle)
        visitor.page.click("#open-settings")
        visitor.page.fill("[data-setting=temperature] input[type=number]", "1")
        visitor.say("8" * 4001)
        read()
        visitor.page.fill("#message", "")
        visitor.page.locator("#sidebar [aria-haspopup=menu]").click()
        read()
        visitor.page.click(".popup [data-action=rename]")
        read()
        visitor.page.keyboard.press("Escape")
        visitor.menu("delete")
        visitor.page.wait_for_selector("#toast:not(:empty)")
        read()
        assert visitor.problems == []
        told = visitor.page.evaluate("({ lang: document.documentElement.lang, dir: document.documentElement.dir })")
        return {text for text in texts if sum(map(str.isalpha, text)) > 1}, told

    yield visit
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def english(speak: Callable[[str], Any]) -> set[str]:
    """The page in English."""
    words, told = speak("en-US")
    assert told == {"lang": "en", "dir": "ltr"}
    return words


@pytest.mark.parametrize("locale", ["de-AT", "es", "fr-FR", "ja", "zh-CN", "pt-BR", "ar-EG", "ko-KR", "hi-IN"])
def test_no_word_of_english_is_left_on_the_page(speak: Callable[[str], Any], english: set[str], locale: str) -> None:
    mine, told = speak(locale)
    name = locale.split("-")[0]
    technical = {text for text in mine if re.match(r"(`*python|tiny)$", text)}
    assert (mine & english) - SAME - technical == set()
    for key in (
        "page.send",
        "page.settings_changed",
        "page.temperature_info",
        "page.new",
        "page.stored",
        "page.stopped",
    ):
        assert t(key).in_language(name) in mine, key
    assert told == {"lang": name, "dir": "rtl" if name in RIGHT_TO_LEFT else "ltr"}


def test_in_a_language_there_is_no_file_for_the_page_is_english_and_says_so(
    speak: Callable[[str], Any], english: set[str]
) -> None:
    words, told = speak("fi")
    assert words == english
    assert told == {"lang": "en", "dir": "ltr"}


def test_right_to_left_text_runs_so_in_the_box_in_messages_and_in_lists(browser: Any, space: App) -> None:
    context = browser.new_context()
    visitor = Visitor(context.new_page(), space.url)
    text = "مرحبا\n\n- واحد\n\n```\ncode\n```\n\nEnglish"
    visitor.page.fill("#message", text)
    direction = "(parts) => parts.map((part) => getComputedStyle(part).direction)"
    assert visitor.page.eval_on_selector_all("#message", direction) == ["rtl"]
    visitor.ask(text)
    assert visitor.page.eval_on_selector_all(".message.user .text, #sidebar .open", direction) == ["rtl", "rtl"]
    assert visitor.page.eval_on_selector_all(".answer > div", direction) == ["rtl", "rtl", "ltr", "ltr"]
    context.close()
