"""The page in a real browser of each language: all of it in that language, and nothing of another."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from streamspace.i18n import t
from tests.browser.test_browser import Visitor
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
NAMES = {
    "Top-p",
    "Top-k",
    "Min-p",
    "Message",
    "Conversation",
    "Conversations",
    "Assistant",
    "Text",
    "Retry",
    "Gradio",
}  # the same in some


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("languages")
    (folder / "script.yaml").write_text(yaml.safe_dump(SCRIPT), "utf-8")
    changes = {
        "page.title": "0",
        "page.description": "1",
        "page.placeholder": "2",
        "page.examples": ["3", "6"],
        "system_prompt": "",
    }
    running = App(folder, changes, "tests/standins/apps/scripted_app.py", {"SCRIPT": str(folder / "script.yaml")})
    yield running
    running.end()


@pytest.fixture(scope="module")
def speak(browser: Any, space: App) -> Iterator[Callable[[str], set[str]]]:
    """What a visitor with that language reads in a whole visit."""
    contexts = []

    def visit(locale: str) -> set[str]:
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 1600}, locale=locale))
        visitor = Visitor(contexts[-1].new_page(), space.url)
        texts: set[str] = set()

        def read() -> None:
            visitor.page.wait_for_timeout(250)
            texts.update(visitor.page.evaluate(READ))

        read()
        visitor.say("3")
        visitor.wait(lambda: visitor.page.is_visible("#continue"))
        read()
        visitor.say("6")
        visitor.wait(lambda: "77" in "".join(visitor.replies()))
        read()
        visitor.page.click("#stop")
        visitor.wait(visitor.idle)
        read()
        visitor.say("8" * 4001)
        visitor.wait(lambda: "⚠" in "".join(visitor.replies()))
        visitor.page.click("#settings .label-wrap")
        visitor.page.click(".sidebar .toggle-button")
        visitor.page.locator("#conversation .message-buttons-right button").last.click()
        read()
        visitor.page.click("#conversations [data-action=rename]")
        read()
        assert visitor.problems == []
        return {text for text in texts if re.search(r"[^\W\d_]{2}", text)}

    yield visit
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def english(speak: Callable[[str], set[str]]) -> set[str]:
    return speak("en-US")


@pytest.mark.parametrize("locale", ["de-AT", "es", "fr-FR", "ja", "zh-CN", "pt-BR", "ar-EG", "ko-KR", "hi-IN"])
def test_no_word_of_english_is_left_on_the_page(
    speak: Callable[[str], set[str]], english: set[str], locale: str
) -> None:
    mine = speak(locale)
    technical = {
        text for text in mine if re.match(r"(`*python|\.|https?:|[./\w-]+ \([\w.-]+\)$)", text)
    }  # the model's name
    assert (mine & english) - NAMES - technical == set()
    name = locale.split("-")[0]
    for key in ("page.send", "page.settings", "page.temperature_info", "page.new", "page.stored", "page.stopped"):
        assert t(key).in_language(name) in mine, key
    long = t("error.too_many_characters", characters=4001, most=4000).in_language(name)
    assert f"⚠️ {long}" in mine


def test_in_a_language_there_is_no_file_for_the_page_is_english(
    speak: Callable[[str], set[str]], english: set[str]
) -> None:
    words = speak("nl-NL")
    assert words == english
