"""Whom a config lets in, and whose requests count as a visitor's own."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from streamspace.config.access import Access
from streamspace.config.types import Config
from streamspace.web import account, login, visitor
from streamspace.web.account import Account
from tests.running import changed

NAMES = st.sampled_from(["ada", "eve", "acme", "acme-labs", "ADA", "Acme"])
SIGNED: dict[str, Any] = {"id": "1", "name": "ada", "organizations": [], "until": time.time() + 3600}


def scope(session: Any = None, **headers: str) -> dict[str, Any]:
    sent = {"host": "space.example", "sec_fetch_site": "same-origin", **headers}
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in sent.items() if value]
    found = {account.PLACE: {**SIGNED, **(session or {})}}
    return {"type": "http", "session": found, "headers": raw, "client": ("10.0.0.1", 1)}


@settings(max_examples=60)
@given(name=NAMES, member=st.sets(NAMES), users=st.lists(NAMES), organizations=st.lists(NAMES))
def test_an_account_may_if_nobody_is_named_or_it_is_or_one_of_its_organizations_is(
    name: str, member: set[str], users: list[str], organizations: list[str]
) -> None:
    access = Access(login=True, users=users, organizations=organizations)
    found = Account("1", name, sorted(account.lowered(member)), 0)
    named = [each for each in users if each.casefold() == name.casefold()]
    shared = [each for each in organizations if each.casefold() in {other.casefold() for other in member}]
    assert found.may(access) == bool(named or shared or not (users or organizations))


@pytest.mark.parametrize("ends", [-1, 0])
def test_a_session_has_an_end(ends: float) -> None:
    assert account.of(scope()) == Account(**SIGNED)
    assert account.of(scope({"until": time.time() + ends})) is None
    assert account.of({"type": "http", "headers": []}) is None


@pytest.mark.parametrize(
    ("headers", "own"),
    [
        ({}, True),
        ({"sec_fetch_site": "none"}, True),
        ({"sec_fetch_site": "same-site"}, False),
        ({"sec_fetch_site": "cross-site"}, False),
        ({"sec_fetch_site": "cross-site", "origin": "https://space.example"}, False),
        ({"sec_fetch_site": ""}, True),  # a program, or an old browser's own page
        ({"sec_fetch_site": "", "origin": "https://space.example"}, True),
        ({"sec_fetch_site": "", "origin": "https://owner-name.hf.space"}, True),
        ({"sec_fetch_site": "", "origin": "https://space.example.evil"}, False),
        ({"sec_fetch_site": "", "origin": "https://evil?space.example"}, False),
        ({"sec_fetch_site": "", "origin": "https://"}, False),
        ({"sec_fetch_site": "", "host": "", "origin": "null"}, False),
    ],
)
def test_a_request_that_another_site_makes_a_browser_send_is_nobodys(
    monkeypatch: pytest.MonkeyPatch, headers: dict[str, str], own: bool
) -> None:
    monkeypatch.setenv("SPACE_HOST", "owner-name.hf.space, other.example")
    assert (account.of(scope(**headers)) is not None) == own


def test_the_token_is_not_in_what_is_printed_of_an_account() -> None:
    assert "hf_oauth_4711" not in repr(Account("1", "ada", [], 0, "hf_oauth_4711"))


@pytest.mark.parametrize(
    ("scope", "given", "kept"),
    [
        ("openid", {}, None),
        ("openid", {"scope": "openid read-billing"}, "hf_oauth_4711"),
        ("read-billing", {}, "hf_oauth_4711"),
    ],
)
def test_the_token_is_kept_where_it_tells_the_gpu_time_that_is_left_and_never_for_longer_than_8_hours(
    monkeypatch: pytest.MonkeyPatch, scope: str, given: dict[str, Any], kept: str | None
) -> None:
    for name in login.GIVEN:
        monkeypatch.setenv(name, scope)
    told = {"sub": "1", "preferred_username": "ada"}
    found = login._Login(Access(login=True))._account(
        {"access_token": "hf_oauth_4711", "expires_at": 2**40, **given}, told
    )
    assert found.token == kept
    assert found.until == pytest.approx(time.time() + 8 * 3600, abs=60)


def test_limits_count_by_the_account_wherever_it_is_signed_in_from() -> None:
    config = Config.model_validate(changed({}))
    one, same, other, nobody = (
        visitor.caller("page", Request(found), config).key
        for found in (scope(), {**scope(), "client": ("10.9.9.9", 1)}, scope({"id": "2"}), {**scope(), "session": {}})
    )
    assert one == same
    assert len({one, other, nobody}) == 3
