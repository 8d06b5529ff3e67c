"""Signing in and out in a real browser, over a stand-in of the Hub's sign-in, and what the page shows before and after."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser.conftest import PHONE
from tests.browser.visitor import conversation, kept
from tests.running import App
from tests.standins import openid
from tests.standins.openid import Provider, organization

OTHERS = "You are signed in as eve, an account that isn't one of them. Sign out to use another one."


@pytest.fixture(scope="module")
def hub() -> Iterator[Provider]:
    with openid.served() as provider:
        yield provider


@pytest.fixture(scope="module")
def members(hub: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    access = {"key": None, "login": True, "users": [], "organizations": ["acme-labs", "Initech"]}
    env = {**hub.environment("openid profile read-memberships read-billing"), "HF_HUB_OFFLINE": "0"}
    running = App(tmp_path_factory.mktemp("members"), {"access": access}, "tests/standins/apps/scripted_app.py", env)
    hub.addresses.add(f"{running.url}/login/callback")
    yield running
    running.end()


@pytest.fixture
def enter(browser: Any, members: App) -> Iterator[Callable[..., Any]]:
    """Opens a window on the page, where nobody is signed in."""
    contexts = []

    def open_page(before: str = "", **settings: Any) -> Any:
        contexts.append(browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **settings}))
        if before:
            contexts[-1].add_init_script(before)
        page = contexts[-1].new_page()
        page.goto(members.url)
        page.wait_for_selector("#sign-in button")
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize("settings", [{}, PHONE], ids=["desktop", "phone"])
def test_a_visitor_signs_in_writes_and_signs_out(
    enter: Callable[..., Any], members: App, hub: Provider, settings: dict[str, Any]
) -> None:
    hub.visitor = openid.Visitor("ada", [organization("Acme-Labs")])
    page = enter(kept(conversation("one", ("hi", "hello")), opened="one"), **settings)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    assert page.inner_text("#sign-in p") == "This Space answers members of acme-labs or Initech."
    for unusable in ("#message", "[data-action=retry]", "[data-action=edit]"):
        assert not page.is_visible(unusable)
    page.click("[data-action=sign-in]")
    page.wait_for_selector("#message")
    page.wait_for_function("document.querySelector('#account').innerText.includes('241')")
    words = page.inner_text("#account")
    assert words.split("\n") == ["Signed in as ada", "241 s of your GPU time are left today", "Sign out"]
    page.fill("#message", "what did you say?")
    page.click("#send")
    page.wait_for_selector(".message.assistant:last-child .answer >> text=what did you say?")
    page.click("[data-action=sign-out]")
    page.wait_for_selector("[data-action=sign-in]")
    assert page.context.cookies() == []
    assert errors == []


def test_somebody_else_is_told_for_whom_the_space_is_and_can_change_the_account(
    enter: Callable[..., Any], hub: Provider
) -> None:
    hub.visitor = openid.Visitor("eve")
    page = enter()
    page.click("[data-action=sign-in]")
    page.wait_for_selector("#sign-in >> text=eve")
    assert page.inner_text("#sign-in [role=alert]") == OTHERS
    assert not page.is_visible("#message")
    page.click("[data-action=sign-out]")
    page.wait_for_selector("[data-action=sign-in]")
    hub.visitor = openid.Visitor("eve", agrees=False)
    page.click("[data-action=sign-in]")
    page.wait_for_selector("#sign-in .error >> text=You aren't signed in")
    hub.visitor = openid.Visitor("ada", [organization("initech")])
    page.click("[data-action=sign-in]")
    page.wait_for_selector("#message")


def test_who_is_signed_out_in_between_keeps_the_question_and_is_told(enter: Callable[..., Any], hub: Provider) -> None:
    hub.visitor = openid.Visitor("ada", [organization("initech")])
    page = enter()
    page.click("[data-action=sign-in]")
    page.wait_for_selector("#message")
    page.wait_for_function("['reply', 'model', 'measure'].every((name) => streamspace.parts[name])")
    page.context.clear_cookies()
    page.fill("#message", "are you there?")
    page.click("#send")
    page.wait_for_selector("[data-action=sign-in]")
    assert page.inner_text(".message.assistant .status") == "⚠️ You are no longer signed in. Sign in, then try again"
    page.click("[data-action=sign-in]")
    page.click("[data-action=retry]")
    page.wait_for_selector(".message.assistant .answer >> text=are you there?")
