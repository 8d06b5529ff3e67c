"""What is kept in a real browser: replies in mid-sentence, drafts, conversations of two tabs, exports, what is deleted."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from streamspace.i18n import t
from tests.browser.visitor import PREFIX, Visitor, conversation, kept
from tests.running import ROOT, App

Visit = Callable[..., Visitor]
SCRIPT = yaml.safe_load((ROOT / "tests/standins/apps/script.yaml").read_text("utf-8"))
OLD = PREFIX[:-1]  # where version 0.1 kept all conversations
INTERRUPTED = t("page.interrupted")


def begun(visitor: Visitor, text: str = "word word") -> None:
    """Waits until this much of a reply is there."""
    visitor.wait(lambda: text in "".join(visitor.replies()))


@pytest.mark.parametrize("way", ["reload", "back", "crash"])
def test_a_reply_that_was_being_written_is_kept_with_the_draft_when_its_page_goes(
    visit: Visit, scripted: App, way: str
) -> None:
    visitor = visit(scripted)
    visitor.say("slow")
    begun(visitor, "word word word word")
    visitor.page.fill("#message", "My draft")
    if way == "reload":
        visitor.reload()
    elif way == "back":
        visitor.page.goto("about:blank")
        visitor.page.go_back()
        visitor.opened()
    else:  # nothing can be saved at the end; what was saved while it streamed is there
        visitor.page.wait_for_timeout(1000)
        visitor.page.evaluate("window.addEventListener('pagehide', (event) => event.stopImmediatePropagation(), true)")
        visitor.reload()
    visitor.wait(lambda: visitor.text(".message.assistant .status") == INTERRUPTED, 10)
    (partial,) = visitor.replies()
    assert partial.startswith("word word")
    assert visitor.page.input_value("#message") == "My draft"
    assert visitor.page.locator("[data-action=retry]").count() == 1
    visitor.press("continue")
    visitor.wait(lambda: visitor.idle() and visitor.replies() == [SCRIPT["slow"]["says"]], 40)
    assert visitor.page.input_value("#message") == "My draft"
    assert visitor.problems == []


def test_a_server_that_goes_away_is_told_and_so_is_its_return_and_nothing_is_lost(visit: Visit, tmp_path: Path) -> None:
    first = App(tmp_path, script="tests/standins/apps/scripted_app.py")
    visitor = visit(first)
    visitor.say("slow")
    begun(visitor)
    visitor.page.fill("#message", "My draft")
    visitor.page.evaluate("window.before = true")
    first.process.kill()
    first.end()
    visitor.wait(lambda: visitor.text("#banner") == t("page.away"))
    visitor.wait(lambda: visitor.text(".message.assistant .status") == INTERRUPTED)
    second = App(tmp_path, script="tests/standins/apps/scripted_app.py", port=first.port)
    try:
        visitor.wait(lambda: visitor.text("#banner") == t("page.back"))
        assert visitor.page.evaluate("window.before")  # it didn't reload itself
        assert visitor.page.input_value("#message") == "My draft"
        visitor.press("continue")
        visitor.wait(lambda: visitor.idle() and visitor.replies() == [SCRIPT["slow"]["says"]], 40)
        visitor.page.press("#message", "Enter")
        visitor.wait(lambda: visitor.idle() and visitor.replies()[1:] == ["My draft"])
    finally:
        second.end()


def test_each_conversation_keeps_its_draft(visit: Visit, scripted: App) -> None:
    visitor = visit(scripted, kept(conversation("a", ("one", "1")), conversation("b", ("two", "2"))))
    for place, draft in (("#sidebar .new", "for a new one"), ("text=one", "for one"), ("text=two", "for two")):
        visitor.page.click(place if place.startswith("#") else f"#sidebar .open >> {place}")
        visitor.page.fill("#message", draft)
    visitor.page.click("#sidebar .open >> text=one")
    assert visitor.page.input_value("#message") == "for one"
    visitor.reload()
    assert (visitor.questions(), visitor.page.input_value("#message")) == (["one"], "for one")
    visitor.page.click("#sidebar .new")
    assert visitor.page.input_value("#message") == "for a new one"


def test_conversations_keep_their_settings_through_a_reload(visit: Visit, scripted: App) -> None:
    visitor = visit(scripted)
    visitor.page.click("#open-settings")
    visitor.page.fill("[data-setting=system_prompt] textarea", "Be brief.")
    visitor.page.fill("[data-setting=temperature] input[type=number]", "0.7")
    visitor.ask("one")
    visitor.page.click("#sidebar .new")
    assert visitor.page.input_value("[data-setting=system_prompt] textarea") == "You are a helpful assistant."
    visitor.reload()
    visitor.page.click("#sidebar .open")
    visitor.page.click("#open-settings")
    assert visitor.page.input_value("[data-setting=system_prompt] textarea") == "Be brief."
    assert visitor.page.input_value("[data-setting=temperature] input[type=number]") == "0.7"
    assert visitor.page.get_attribute("#open-settings", "aria-label") == t("page.settings_changed")
    visitor.page.click("#settings > button")
    assert visitor.page.input_value("[data-setting=temperature] input[type=number]") == "0"
    assert visitor.page.get_attribute("#open-settings", "aria-label") == t("page.settings")


def test_a_question_without_an_answer_offers_retry_and_is_not_part_of_the_next(visit: Visit, scripted: App) -> None:
    visitor = visit(scripted, kept(conversation("a", ("one", "1"), ("lost", "")), opened="a"))
    sent: list[Any] = []
    visitor.page.on(
        "request", lambda request: sent.append(request.post_data_json) if "/queue/join" in request.url else None
    )
    assert visitor.page.locator("[data-action=retry]").count() == 2
    visitor.ask("next")
    (question,) = [each["data"][0] for each in sent if each["data"] and each["data"][0]["id"]]
    assert [turn["content"] for turn in question["history"]] == ["one", "1"]
    assert question["message"] == "next"
    visitor.page.reload()
    visitor.opened()
    assert visitor.questions() == ["one", "lost", "next"]


def test_two_tabs_keep_what_both_say_in_one_conversation(visit: Visit, scripted: App) -> None:
    first = visit(scripted)
    first.ask("one")
    second = Visitor(first.page.context.new_page(), scripted.url)
    assert second.questions() == []  # which one is open is each tab's own
    second.page.click("#sidebar .open")
    second.wait(lambda: second.questions() == ["one"])
    first.say("slow")
    begun(first)
    second.ask("two")
    second.menu("rename")
    second.page.keyboard.type("Named in the second")
    second.page.keyboard.press("Enter")
    first.wait(lambda: first.titles() == ["Named in the second"])
    first.wait(first.idle)
    assert first.replies() == ["one", SCRIPT["slow"]["says"]]
    first.ask("three")
    assert second.questions() == ["one", "two"]
    (both,) = first.stored()
    texts = {node.get("text") or node["parts"][0]["text"] for node in both["nodes"].values()}
    assert texts == {"one", "slow", SCRIPT["slow"]["says"], "two", "three"}
    first.reload()
    second.reload()
    assert (first.titles(), second.titles()) == (["Named in the second"], ["Named in the second"])
    assert first.problems == second.problems == []


# Two stores, as two tabs have them, in random interleavings of what visitors do; storage events come late and in order.
INTERLEAVE = """({ store, conversation: talk }, seed) => {
  const random = (count) => Math.floor(((seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648) * count);
  const real = { now: Date.now, listen: window.addEventListener };
  let time = real.now();
  const wrong = [];
  for (let trial = 0; trial < 60; trial += 1) {
    localStorage.clear();
    const open = () => {
      const tab = { mail: [] };
      window.addEventListener = (name, handler) => name === "storage" && (tab.hear = handler);
      tab.store = store.open();
      window.addEventListener = real.listen;
      return tab;
    };
    const tabs = [open(), open()];
    const written = new Map(); // the text of each message, as its writer saved it
    const named = new Map();
    const deliver = (tab) => tab.mail.length && tab.hear({ key: tab.mail.shift(), storageArea: localStorage });
    const tell = (tab, id) => {
      for (const other of tabs) if (other !== tab) other.mail.push(Object.keys(localStorage).find((key) => key.endsWith(`:${id}`)));
    };
    const save = (tab, whole) => {
      if (!tab.store.save(whole)) throw new Error("no room");
      tell(tab, whole.id);
      for (const [id, text] of tab.fresh ?? []) written.set(id, [whole.id, text]);
      tab.fresh = [];
    };
    const note = (tab, node, text) => (tab.fresh ??= []).push([node.id, text]);
    Date.now = () => (time += random(2)); // two things may happen in the same millisecond
    for (let step = 0; step < 60; step += 1) {
      const tab = tabs[random(2)];
      const all = tab.store.all();
      const whole = tab.writing ? tab.writing.whole : all[random(all.length)];
      switch (tab.writing ? 6 + random(3) : [0, 1, 2, 3, 4, 5, 9, 10][random(8)]) {
        case 0: {
          const made = talk.create();
          note(tab, talk.add(made, { role: "user", text: `q${step}`, files: [] }), `q${step}`);
          save(tab, made);
          break;
        }
        case 1: case 2: if (whole) { // a question, whose reply is being written from now on
          note(tab, talk.add(whole, { role: "user", text: `q${step}`, files: [] }), `q${step}`);
          const node = talk.add(whole, { role: "assistant", parts: [], state: "writing" });
          tab.writing = { whole, node };
          note(tab, node, "");
          save(tab, whole);
          break;
        }
        case 3: if (whole) { // another version of some message
          const nodes = Object.values(whole.nodes);
          talk.select(whole, nodes[random(nodes.length)]);
          save(tab, whole);
          break;
        }
        case 4: if (whole) {
          Object.assign(whole, { title: `t${step}`, named: Date.now() + 1 });
          time += 1; // of two names, the later counts
          talk.revise(whole);
          named.set(whole.id, `t${step}`);
          save(tab, whole);
          time += 1;
          break;
        }
        case 5: deliver(tab); break;
        case 6: {
          const { node } = tab.writing;
          node.parts = [{ kind: "answer", text: `${node.parts[0]?.text ?? ""}x`, seconds: 0 }];
          talk.revise(node);
          break;
        }
        case 7: note(tab, tab.writing.node, tab.writing.node.parts[0]?.text ?? ""); save(tab, tab.writing.whole); break;
        case 8: if (random(3)) deliver(tab);
          else {
            const { node } = tab.writing;
            node.state = "done";
            talk.revise(node);
            note(tab, node, node.parts[0]?.text ?? "");
            save(tab, whole);
            tab.writing = null;
          }
          break;
        case 9: if (whole && !random(3)) { // what it holds may go, but what any tab saves afterwards may not
          tab.store.remove(whole);
          tell(tab, whole.id);
          tab.gone = { whole, texts: [...written].filter(([, [owner]]) => owner === whole.id), title: named.get(whole.id) };
          for (const [id] of tab.gone.texts) written.delete(id);
          named.delete(whole.id);
          break;
        }
        case 10: if (tab.gone) { // and all that went comes back
          tab.gone.whole.revised = Date.now();
          save(tab, tab.gone.whole);
          for (const [id, text] of tab.gone.texts) if (!written.has(id)) written.set(id, text);
          if (tab.gone.title && !named.has(tab.gone.whole.id)) named.set(tab.gone.whole.id, tab.gone.title);
          tab.gone = null;
        }
      }
    }
    for (const tab of tabs) {
      if (!tab.writing) continue;
      note(tab, tab.writing.node, tab.writing.node.parts[0]?.text ?? "");
      save(tab, tab.writing.whole);
    }
    for (const tab of tabs) while (tab.mail.length) deliver(tab);
    const fresh = open();
    const there = (seen) => seen.all().map(({ id }) => id).sort().join();
    if (new Set([...tabs.map((tab) => tab.store), fresh.store].map(there)).size > 1) wrong.push(`${trial}: the tabs show other conversations`);
    for (const [place, { store: seen }] of [["the first", tabs[0]], ["the second", tabs[1]], ["a new one", fresh]]) {
      for (const [id, [owner, text]] of written) {
        const node = seen.get(owner)?.nodes[id];
        if (!node) wrong.push(`${trial}: ${place} has no ${id}`);
        else if (place === "a new one" && (node.text ?? node.parts[0]?.text ?? "") !== text) wrong.push(`${trial}: ${JSON.stringify(node)} instead of ${text}`);
      }
      for (const [id, title] of named) if (seen.get(id)?.title !== title) wrong.push(`${trial}: ${place} calls it ${seen.get(id)?.title} instead of ${title}`);
    }
    if (wrong.length) break;
  }
  Date.now = real.now;
  localStorage.clear();
  return wrong.slice(0, 5);
}"""


def test_any_order_of_saves_of_two_tabs_keeps_every_message_of_both(visit: Visit, scripted: App) -> None:
    seed = random.randrange(2**31)
    assert visit(scripted).run(INTERLEAVE, seed) == [], seed


def test_a_full_storage_is_told_before_anything_goes(visit: Visit, scripted: App) -> None:
    visitor = visit(scripted, kept(conversation("old", ("precious", "yes"))))
    visitor.page.evaluate("""() => {
      for (let size = 4_000_000; size > 10; size = Math.floor(size / 2)) {
        try { for (let at = 0; ; at += 1) localStorage.setItem(`filler-${size}-${at}`, "x".repeat(size)); } catch { /* full */ }
      }
    }""")
    visitor.ask("one more")
    assert visitor.text("#notice").startswith(t("page.storage_full").in_language("en"))
    assert visitor.titles() == ["one more", "precious"]
    with visitor.page.expect_download() as info:
        visitor.page.click("#notice button >> nth=0")
    assert "one more" in Path(info.value.path()).read_text("utf-8")
    visitor.page.evaluate(
        "Object.keys(localStorage).filter((key) => key.startsWith('filler')).forEach((key) => localStorage.removeItem(key))"
    )
    visitor.ask("and more")
    assert visitor.text("#notice") == ""
    visitor.reload()
    assert visitor.replies() == ["one more", "and more"]
    assert visitor.titles() == ["one more", "precious"]
    assert visitor.problems == []


@pytest.mark.parametrize("method", ["setItem", "getItem"])
def test_a_storage_that_is_refused_is_told_and_the_tab_goes_on(visit: Visit, scripted: App, method: str) -> None:
    refused = f"Storage.prototype.{method} = () => {{ throw new DOMException('no', 'SecurityError'); }}"
    visitor = visit(scripted, refused)
    assert visitor.text("#notice") == t("page.storage_refused")
    visitor.ask("one")
    visitor.ask("two")
    visitor.page.click("#sidebar .new")
    visitor.ask("three")
    visitor.page.click("#sidebar .open >> text=one")
    visitor.wait(lambda: visitor.replies() == ["one", "two"])
    assert visitor.problems == []


def test_what_is_deleted_can_be_had_back(visit: Visit, scripted: App) -> None:
    visitor = visit(scripted, kept(conversation("a", ("one", "1")), conversation("b", ("two", "2")), opened="a"))
    before = visitor.stored()
    visitor.menu("delete", "one")
    visitor.wait(lambda: visitor.titles() == ["two"] and visitor.questions() == [])
    assert visitor.text("#toast") == "“one” is deleted.\nUndo" or visitor.text("#toast").startswith("“one” is deleted.")
    visitor.page.click("#toast button")
    visitor.wait(lambda: sorted(visitor.titles()) == ["one", "two"] and visitor.questions() == ["one"])
    assert {each["id"]: each["nodes"] for each in visitor.stored()} == {each["id"]: each["nodes"] for each in before}
    visitor.menu("delete", "one")
    visitor.reload()
    assert visitor.titles() == ["two"]


def test_a_conversation_that_one_tab_deletes_goes_from_the_other(visit: Visit, scripted: App) -> None:
    first = visit(scripted, kept(conversation("a", ("one", "1")), conversation("b", ("two", "2"))))
    second = Visitor(first.page.context.new_page(), scripted.url)
    first.menu("delete", "one")
    second.wait(lambda: second.titles() == ["two"])


def test_a_conversation_is_renamed_and_keeps_its_name(visit: Visit, scripted: App) -> None:
    visitor = visit(scripted)
    visitor.ask("hello")
    for key, expected in (("Escape", "hello"), ("Enter", "A <b>new</b> name")):
        visitor.menu("rename")
        visitor.page.fill("#sidebar li input", "A <b>new</b> name")
        visitor.page.press("#sidebar li input", key)
        visitor.wait(lambda expected=expected: visitor.titles() == [expected])
        assert visitor.page.evaluate("document.activeElement.matches('#sidebar .open')")
    visitor.ask("more")
    visitor.reload()
    assert visitor.titles() == ["A <b>new</b> name"]
    assert visitor.page.locator("#sidebar [aria-current=true]").all_text_contents() == ["A <b>new</b> name"]


def test_conversations_are_found_by_their_words_and_grouped_by_day(visit: Visit, scripted: App) -> None:
    old = conversation("old", ("an old one", "about apples"))
    visitor = visit(scripted, kept(old))
    visitor.ask("a new one")
    assert visitor.page.locator("#sidebar h3").all_text_contents() == ["Today", "November 14, 2023"]
    visitor.page.fill("#sidebar [type=search]", "APPLES")
    assert visitor.titles() == ["an old one"]
    visitor.page.fill("#sidebar [type=search]", "pears")
    assert visitor.text("#sidebar .none") == "Nothing found."
    visitor.page.fill("#sidebar [type=search]", "")
    assert visitor.titles() == ["a new one", "an old one"]


def export(visitor: Visitor, kind: str) -> Path:
    """The file that an export gives, under its name."""
    with visitor.page.expect_download() as info:
        visitor.menu(kind)
    place = Path(info.value.path()).with_name(info.value.suggested_filename)
    info.value.save_as(place)
    return place


def test_a_conversation_is_exported_as_it_was_said_and_comes_back_with_its_versions(
    visit: Visit, scripted: App
) -> None:
    visitor = visit(scripted)
    visitor.page.click("#open-settings")
    visitor.page.fill("[data-setting=system_prompt] textarea", "Be brief.")
    visitor.ask("is 1<b>2: yes/no?")
    visitor.ask("compare")
    visitor.press("retry")
    visitor.wait(lambda: visitor.idle() and visitor.page.locator(".versions").all_inner_texts() == ["2/2"])
    markdown = export(visitor, "markdown")
    assert markdown.name == "is 1_b_2_ yes_no_.md"
    assert markdown.read_text("utf-8") == (
        "# is 1<b>2: yes/no?\n\n## You\n\nis 1<b>2: yes/no?\n\n## Assistant\n\nis 1<b>2: yes/no?\n\n## You\n\ncompare\n\n"
        "## Assistant\n\n<details><summary>Thoughts</summary>\n\nLet me see: 1 < 2.\n\n</details>\n\n"
        "The answer is **3** and a<b and c>d.\n"
    )
    file = export(visitor, "json")
    data = json.loads(file.read_text("utf-8"))
    assert (file.name, data["model"], data["settings"]) == (
        "is 1_b_2_ yes_no_.json",
        "tiny",
        {"system_prompt": "Be brief."},
    )
    assert data["exported"].startswith("20")
    assert len(data["nodes"]) == 5
    visitor.menu("delete")
    visitor.reload()
    assert visitor.titles() == []
    visitor.page.set_input_files("#sidebar input[type=file]", file)
    visitor.wait(lambda: visitor.questions() == ["is 1<b>2: yes/no?", "compare"])
    assert visitor.page.locator(".versions").all_inner_texts() == ["2/2"]
    for node in data["nodes"].values():
        node.pop("status", None)  # of a reply that is being written
    assert visitor.stored()[0]["nodes"] == data["nodes"]
    assert visitor.page.input_value("[data-setting=system_prompt] textarea") == "Be brief."


@pytest.mark.parametrize("content", ["no JSON", "[]", '{"id": "a", "nodes": {"x": 1}}', '{"id": 7, "nodes": {}}'])
def test_a_file_that_is_no_conversation_is_refused_by_name(
    visit: Visit, scripted: App, tmp_path: Path, content: str
) -> None:
    visitor = visit(scripted)
    (tmp_path / "mine.json").write_text(content)
    visitor.page.set_input_files("#sidebar input[type=file]", tmp_path / "mine.json")
    visitor.wait(
        lambda: (
            visitor.text("#notice") == "“mine.json” is not a conversation: expected a JSON file that was exported here"
        )
    )
    assert (visitor.titles(), visitor.problems) == ([], [])


def test_conversations_of_the_version_before_are_taken_over(visit: Visit, scripted: App) -> None:
    def said(role: str, text: str, **metadata: str) -> dict[str, Any]:
        return {"role": role, "content": [{"type": "text", "text": text}], "metadata": metadata or None}

    old = {"current": "b", "conversations": [
        {"id": "a", "title": "a name", "named": True, "messages": [said("user", "a <\u2060b> c"), said("assistant", "let me see", title="Thoughts"), said("assistant", "1 <\u2060 2"), said("assistant", "3 tokens", id="figures")]},
        {"id": "b", "title": "two", "messages": [said("user", "two"), said("assistant", "2"), said("user", "three")]},
    ]}  # fmt: skip
    visitor = visit(
        scripted, f"sessionStorage.done ??= localStorage.setItem('{OLD}', {json.dumps(json.dumps(old))}) ?? 1"
    )
    assert visitor.titles() == ["a name", "two"]
    visitor.page.click("#sidebar .open >> nth=0")
    visitor.page.get_by_text("a <b> c").wait_for()
    assert (visitor.questions(), visitor.replies()) == (["a <b> c"], ["1 < 2"])
    assert visitor.page.locator("details.reasoning .text").all_inner_texts() == [""]
    visitor.page.click("details.reasoning summary")
    assert visitor.text("details.reasoning .text").strip() == "let me see"
    visitor.page.click("#sidebar .open >> nth=1")
    visitor.page.get_by_text("three", exact=True).wait_for()
    assert (visitor.questions(), visitor.replies()) == (["two", "three"], ["2"])
    assert visitor.page.evaluate(f"localStorage.getItem('{OLD}')") is None
    visitor.reload()
    assert len(visitor.titles()) == 2


MESSAGES = '[1, null, {"role": "user"}, {"role": "user", "content": 5}, {"role": "assistant", "content": [null, {"text": 7}, {"file": 1}], "metadata": 3}]'
DAMAGED = [
    "{",
    "[]",
    '{"id": "2", "nodes": {"a": 1, "b": null, "c": {"id": "c", "role": "user", "text": 5}}, "leaf": "c"}',
    '{"id": "3", "nodes": {"x": {"id": "x", "role": "user", "parent": "y"}, "y": {"id": "y", "role": "user", "parent": "x"}}, "leaf": "x"}',
]
OLD_DAMAGED = [
    "{",
    '{"conversations": {"a": 1}}',
    '{"current": 7, "conversations": [1, null, {}, {"id": 1}, {"id": "a", "title": "b", "messages": 5}]}',
    f'{{"conversations": [1, null, {{"id": "a", "title": "b", "messages": {MESSAGES}}}]}}',
]
OPENED = """({ store }, [key, values]) => values.map((value) => {
  localStorage.setItem(key, value);
  try { return store.open().all().length; } catch (error) { return String(error); }
})"""


def test_a_damaged_storage_breaks_nothing(visit: Visit, scripted: App) -> None:
    damage = {**{f"{PREFIX}{number}": each for number, each in enumerate(DAMAGED)}, OLD: OLD_DAMAGED[-1]}
    visitor = visit(scripted, f"sessionStorage.done ??= Object.assign(localStorage, {json.dumps(damage)}) && 1")
    for title in visitor.titles():
        visitor.page.click(f"#sidebar .open >> nth={visitor.titles().index(title)}")
    visitor.page.click("#sidebar .new")
    assert visitor.ask("still here") == "still here"
    visitor.reload()
    assert visitor.replies() == ["still here"]
    assert {type(each) for each in visitor.run(OPENED, [OLD, OLD_DAMAGED])} == {int}
    assert visitor.problems == []


def test_each_space_of_a_site_keeps_its_own(visit: Visit, scripted: App) -> None:
    other = f"{OLD}other:x"
    elsewhere = json.dumps(conversation("x", ("elsewhere", "x")))
    visitor = visit(scripted, f"localStorage.setItem('{other}', {json.dumps(elsewhere)})")
    visitor.ask("here")
    assert visitor.titles() == ["here"]
    assert visitor.page.evaluate(f"localStorage.getItem('{other}')") == elsewhere
