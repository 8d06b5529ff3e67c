"""The page of a base model in a real browser: a text, and how it goes on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from tests.browser.conftest import PHONE
from tests.browser.test_accessible import VIEWS, barriers
from tests.browser.test_layout import misfits
from tests.browser.visitor import Visitor
from tests.running import App

Visit = Callable[..., Visitor]


@pytest.fixture(scope="module")
def completion(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The scripted page for a base model."""
    running = App(tmp_path_factory.mktemp("completion"), {"task": "completion"}, "tests/standins/apps/scripted_app.py")
    yield running
    running.end()


def test_a_text_is_continued_and_its_continuation_goes_on(visit: Visit, completion: App) -> None:
    visitor = visit(completion)
    begun = "One reply, cut in the middle of a wo"
    assert visitor.ask("cut") == begun
    visitor.press("continue")
    visitor.wait(lambda: visitor.idle() and visitor.replies() == [f"{begun}cut{begun}"])  # asked with all that there is
    assert re.match(r"\d+ tokens", visitor.text(".figures"))
    visitor.reload()
    assert (visitor.questions(), visitor.replies()) == (["cut"], [f"{begun}cut{begun}"])
    assert visitor.page.locator("[data-setting=system_prompt], #attach:not([hidden])").count() == 0
    assert visitor.problems == []


def test_another_text_begins_anew_and_the_one_before_is_a_version(visit: Visit, completion: App) -> None:
    visitor = visit(completion)
    visitor.ask("one")
    visitor.say("two")
    visitor.wait(lambda: visitor.idle() and visitor.replies() == ["two"])
    assert (visitor.questions(), visitor.text(".versions")) == (["two"], "2/2")
    visitor.press("version_before", ".message.user")
    visitor.wait(lambda: (visitor.questions(), visitor.replies()) == (["one"], ["one"]))


def test_the_completion_page_fits_its_window_and_has_no_barrier(visit: Visit, completion: App) -> None:
    for view, least in ((VIEWS[0], 0.7), ({**VIEWS[3], **PHONE}, 0.6)):
        visitor = visit(completion, **view)
        assert list(misfits(visitor, "empty", least)) == []
        visitor.ask("Once upon a time")
        assert list(misfits(visitor, "talking", least)) == []
        assert barriers(visitor) == []
