"""Conversations in a real browser: kept there, brought back, changed, and taken along."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.browser.test_browser import Visitor
from tests.running import ROOT, App

KEY = "streamspace:/"
WHOLE = yaml.safe_load((ROOT / "tests/standins/apps/script.yaml").read_text("utf-8"))["cut"]["says"]


class Talker(Visitor):
    """A visitor who uses the conversations at the side."""

    def ask(self, text: str) -> None:
        self.say(text)
        self.wait(self.finished)

    def open_sidebar(self) -> None:
        """Opens the list of conversations."""
        self.page.click(".sidebar .toggle-button")
        self.page.wait_for_selector("#conversations [data-action=create]")

    def titles(self) -> list[str]:
        return [str(title) for title in self.page.locator("#conversations [data-action=open]").all_text_contents()]

    def press(self, what: str, of: str = "") -> None:
        inside = f"#conversations li:has-text('{of}') " if of else "#conversations "
        self.page.click(f"{inside}[data-action={what}]")

    def stored(self) -> Any:
        return json.loads(self.page.evaluate(f"localStorage.getItem('{KEY}')"))

    def download(self, what: str) -> tuple[str, str]:
        """The name and the content of the file that an export gives."""
        with self.page.expect_download() as info:
            self.press(what)
        return info.value.suggested_filename, Path(info.value.path()).read_text("utf-8")


@pytest.fixture
def talk(browser: Any) -> Iterator[Callable[..., Talker]]:
    contexts = []

    def open_page(app: App, before: str = "") -> Talker:
        """`before` is a script that runs before the page's own."""
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 800}))
        page = contexts[-1].new_page()
        if before:
            page.add_init_script(before)
        return Talker(page, app.url)

    yield open_page
    for context in contexts:
        context.close()


def test_conversations_survive_a_reload_and_a_restart_of_the_server(
    talk: Callable[..., Talker], tmp_path: Path
) -> None:
    first = App(tmp_path, script="tests/standins/apps/scripted_app.py")
    try:
        visitor = talk(first)
        visitor.open_sidebar()
        visitor.ask("first question")
        visitor.press("create")
        visitor.wait(lambda: not visitor.questions())
        visitor.ask("second question")
        assert visitor.titles() == ["second question", "first question"]
        visitor.page.reload()
        visitor.wait(lambda: visitor.questions() == ["second question"])
    finally:
        first.end()
    second = App(tmp_path, script="tests/standins/apps/scripted_app.py", port=first.port)
    try:
        visitor.page.reload()
        visitor.wait(lambda: visitor.questions() == ["second question"] and visitor.replies() == ["second question"])
        visitor.open_sidebar()
        visitor.press("open", of="first")
        visitor.wait(lambda: visitor.questions() == ["first question"])
        visitor.ask("and more")
        assert visitor.titles() == ["first question", "second question"]
        assert visitor.questions() == ["first question", "and more"]
    finally:
        second.end()


def test_a_conversation_is_renamed_and_deleted(talk: Callable[..., Talker], scripted: App) -> None:
    visitor = talk(scripted)
    visitor.open_sidebar()
    visitor.ask("hello")
    for key, expected in (("Escape", "hello"), ("Enter", "A <b>new</b> name")):
        visitor.press("rename")
        visitor.page.fill("#conversations input", "A <b>new</b> name")
        visitor.page.press("#conversations input", key)
        visitor.wait(lambda expected=expected: visitor.titles() == [expected])
        assert visitor.page.evaluate("document.activeElement.dataset.action") == "open"
    visitor.ask("more")
    assert visitor.titles() == ["A <b>new</b> name"]  # a name of the visitor's own stays
    visitor.press("remove")
    visitor.wait(lambda: not visitor.questions())
    assert (visitor.titles(), visitor.stored()["conversations"]) == ([], [])


def test_a_conversation_is_exported_as_it_was_said(talk: Callable[..., Talker], scripted: App) -> None:
    visitor = talk(scripted)
    visitor.open_sidebar()
    visitor.ask("is 1<b>2: yes/no?")
    visitor.ask("compare")
    name, text = visitor.download("markdown")
    assert name == "is 1_b_2_ yes_no_.md"
    assert text == (
        "# is 1<b>2: yes/no?\n\n## You\n\nis 1<b>2: yes/no?\n\n## Assistant\n\nis 1<b>2: yes/no?\n\n## You\n\ncompare\n\n"
        "<details><summary>Thoughts</summary>\n\nLet me see: 1 < 2.\n\n</details>\n\n"
        "## Assistant\n\nThe answer is **3** and a<b and c>d.\n"
    )
    name, text = visitor.download("json")
    assert name == "is 1_b_2_ yes_no_.json"
    assert json.loads(text) == {
        "title": "is 1<b>2: yes/no?",
        "messages": [
            {"role": "user", "content": "is 1<b>2: yes/no?"},
            {"role": "assistant", "content": "is 1<b>2: yes/no?"},
            {"role": "user", "content": "compare"},
            {"role": "assistant", "content": "The answer is **3** and a<b and c>d."},
        ],
    }


def test_undo_puts_the_text_back_into_the_box(talk: Callable[..., Talker], scripted: App) -> None:
    visitor = talk(scripted)
    visitor.ask("keep")
    visitor.ask("a<b and\n    c>d")
    visitor.page.click("[aria-label=Undo]")
    visitor.wait(lambda: visitor.questions() == ["keep"])
    assert visitor.page.input_value("#message textarea") == "a<b and\n    c>d"
    assert [message["content"][0]["text"] for message in visitor.stored()["conversations"][0]["messages"]][:2] == [
        "keep",
        "keep",
    ]


def test_an_edited_message_is_answered_anew_from_there_and_can_be_stopped(
    talk: Callable[..., Talker], scripted: App
) -> None:
    visitor = talk(scripted)
    for text in ("one", "two", "three"):
        visitor.ask(text)

    def edit(text: str) -> None:
        visitor.page.locator("[aria-label=Edit]").nth(1).click()
        visitor.page.fill("#conversation .edit-textarea", text)
        visitor.page.click("[aria-label=Submit]")

    edit("slow")
    visitor.wait(lambda: visitor.questions() == ["one", "slow"] and "word word" in visitor.replies()[-1])
    visitor.page.click("#stop")
    visitor.wait(visitor.idle)
    assert visitor.status().strip() == "Stopped."
    edit("two and a half")
    visitor.wait(visitor.finished)
    assert visitor.questions() == ["one", "two and a half"]
    assert visitor.replies() == ["one", "two and a half"]


def test_a_stopped_reply_can_be_had_again(talk: Callable[..., Talker], scripted: App) -> None:
    visitor = talk(scripted)
    visitor.say("slow")
    visitor.wait(lambda: "word word" in "".join(visitor.replies()))
    visitor.page.click("#stop")
    visitor.wait(visitor.idle)
    visitor.page.click("[aria-label=Retry]")
    visitor.wait(lambda: visitor.page.is_visible("#stop") and "word word word" in "".join(visitor.replies()))
    visitor.page.click("#stop")
    visitor.wait(visitor.idle)
    assert (visitor.questions(), len(visitor.replies())) == (["slow"], 1)


def test_a_reply_that_was_cut_goes_on_exactly_where_it_was(talk: Callable[..., Talker], scripted: App) -> None:
    visitor = talk(scripted)
    visitor.ask("cut")
    assert visitor.replies() == [WHOLE[:36]]
    visitor.page.click("#continue")
    visitor.wait(lambda: visitor.finished() and visitor.status().strip() == "Finished")
    answers = [
        m["content"][0]["text"] for m in visitor.stored()["conversations"][0]["messages"] if not m.get("metadata")
    ]
    assert answers == ["cut", WHOLE]
    assert not visitor.page.is_visible("#continue")


def test_each_space_of_a_site_keeps_its_own(talk: Callable[..., Talker], scripted: App) -> None:
    other = '{"current": "x", "conversations": [{"id": "x", "title": "elsewhere", "messages": []}]}'
    visitor = talk(scripted, f"localStorage.setItem('{KEY}other', '{other}')")
    visitor.ask("here")
    visitor.open_sidebar()
    assert visitor.titles() == ["here"]
    assert visitor.page.evaluate(f"localStorage.getItem('{KEY}other')") == other


DAMAGE = {
    "no JSON": "{",
    "another shape": "[]",
    "another type": '{"conversations": {"a": 1}}',
    "other entries": '{"current": 7, "conversations": [1, null, {}, {"id": 1}, {"id": "a", "title": "b", "messages": 5}]}',
    "other messages": '{"current": "a", "conversations": [{"id": "a", "title": "b", "messages": [1, null, {"role": "user"}, '
    '{"role": "user", "content": 5}, {"role": "assistant", "content": [null, {"text": 7}, {"file": 1}], "metadata": 3}]}]}',
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_storage_breaks_nothing(talk: Callable[..., Talker], scripted: App, name: str) -> None:
    visitor = talk(scripted, f"sessionStorage.done ??= localStorage.setItem('{KEY}', {json.dumps(DAMAGE[name])}) ?? 1")
    visitor.ask("still here")
    assert visitor.questions()[-1] == "still here"
    assert visitor.problems == []
    visitor.page.reload()
    visitor.wait(lambda: visitor.replies()[-1:] == ["still here"])


@pytest.mark.parametrize("method", ["setItem", "getItem"])
def test_a_storage_that_is_full_or_forbidden_breaks_nothing(
    talk: Callable[..., Talker], scripted: App, method: str
) -> None:
    visitor = talk(
        scripted, f"Storage.prototype.{method} = () => {{ throw new DOMException('no', 'QuotaExceededError'); }}"
    )
    visitor.ask("one")
    visitor.ask("two")
    assert visitor.replies() == ["one", "two"]
    assert visitor.problems == []


def test_when_there_is_no_more_room_the_oldest_conversation_goes(talk: Callable[..., Talker], scripted: App) -> None:
    limited = """const set = Storage.prototype.setItem; Storage.prototype.setItem = function (key, value) {
        if (value.length > 1200) throw new DOMException('full', 'QuotaExceededError');
        set.call(this, key, value); };"""
    visitor = talk(scripted, limited)
    visitor.open_sidebar()
    for text in ("first", "second", "third"):
        visitor.ask(text)
        visitor.press("create")
        visitor.wait(lambda: not visitor.questions())
    assert 1 <= len(visitor.titles()) < 3
    assert visitor.titles()[0] == "third"
