"""The table of the page's events and the functions in the browser agree in every name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Error

from streamspace import i18n
from streamspace.web.page.events import EVENTS, listener
from streamspace.web.page.theme import HERE, SCRIPTS

MESSAGES = [
    {"role": role, "content": [{"type": "text", "text": role}], "metadata": None} for role in ("user", "assistant")
]
VALUES = {"box": "hello", "text": "hello", "messages": MESSAGES, "status": "<p>Finished</p>", "continuation": "world"}


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """The page's scripts, without Gradio."""
    page = browser.new_page(locale="en-US")
    page.evaluate("texts => { window.gradio_config = { i18n_translations: texts } }", i18n.browser_catalogs())
    for name in SCRIPTS:
        page.add_script_tag(content=(HERE / name).read_text("utf-8"))
    yield page
    page.close()


def test_each_event_has_a_function_and_each_function_an_event(page: Any) -> None:
    assert sorted(page.evaluate("Object.keys(streamspace.events)")) == sorted(EVENTS)


@pytest.mark.parametrize("name", EVENTS)
def test_a_function_takes_and_sets_the_values_of_its_event(page: Any, name: str) -> None:
    inputs, outputs = EVENTS[name]
    source = page.evaluate("name => streamspace.events[name].toString().split('\\n')[0]", name)
    assert source == f"{name}({'{ ' + ', '.join(inputs) + ' }' if inputs else ''}) {{"
    values = {each: VALUES[each] for each in inputs}
    result = page.evaluate("([name, values]) => streamspace.events[name](values)", [name, values]) or {}
    assert sorted(result) == sorted(outputs)


def test_a_listener_passes_values_by_their_names() -> None:
    parts = {"box": "a box", "messages": "a chatbot", "status": "a line", "other": "a button"}
    assert listener("send", parts) == {
        "inputs": ["a box", "a chatbot"],
        "outputs": ["a box", "a chatbot", "a line"],
        "js": '(...values) => streamspace.run("send", ["box", "messages"], ["box", "messages", "status"], values)',
    }


RUN = """([source, names]) => {
  streamspace.events.test = eval(source);
  return streamspace.run("test", names, names, [1, 2]);
}"""


def test_an_output_that_is_left_out_keeps_its_value(page: Any) -> None:
    assert page.evaluate(RUN, ["({ a, b }) => ({ b: a + b })", ["a", "b"]]) == [{"__type__": "update"}, 3]
    assert page.evaluate(RUN, ["() => {}", ["a"]]) == [{"__type__": "update"}]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("({ a, c }) => ({})", "event test: expected an input of a, b, got c"),
        ("() => ({ a: 1, c: 2 })", "event test: expected an output of a, b, got c"),
    ],
)
def test_a_name_that_is_not_in_the_table_is_an_error(page: Any, source: str, message: str) -> None:
    with pytest.raises(Error, match=message):
        page.evaluate(RUN, [source, ["a", "b"]])
