"""Windows on the page, each with a storage of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser.visitor import Visitor
from tests.running import App

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Visitor]]:
    """Opens a window. `before` is a script that runs before the page's own; the rest is Playwright's."""
    contexts = []

    def open_page(app: App, before: str = "", **settings: Any) -> Visitor:
        contexts.append(browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **settings}))
        contexts[-1].grant_permissions(["clipboard-read", "clipboard-write"])
        if before:
            contexts[-1].add_init_script(before)
        return Visitor(contexts[-1].new_page(), app.url)

    yield open_page
    for context in contexts:
        context.close()
