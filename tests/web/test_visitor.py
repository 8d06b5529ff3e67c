"""Who a visitor is: by what the proxies before the app wrote, never by what the visitor did."""

from __future__ import annotations

import hashlib
import ipaddress
import re

import gradio as gr
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Scope

from streamspace.config.types import Limits
from streamspace.web import visitor
from tests.reply.test_pipeline import CONFIG

PEER = ("10.0.0.7", 1234)
TEXT = st.text(st.characters(max_codepoint=255), max_size=60)


def scope(*forwarded: str, client: tuple[str, int] | None = PEER) -> Scope:
    return {
        "type": "http",
        "headers": [(b"x-forwarded-for", each.encode("latin-1")) for each in forwarded],
        "client": client,
    }


@pytest.mark.parametrize(
    ("forwarded", "proxies", "expected"),
    [
        ((), 1, "10.0.0.7"),
        (("203.0.113.9",), 0, "10.0.0.7"),
        (("203.0.113.9",), 1, "203.0.113.9"),
        (("6.6.6.6, 203.0.113.9",), 1, "203.0.113.9"),
        (("6.6.6.6", "203.0.113.9"), 1, "203.0.113.9"),  # two headers are one list
        (("6.6.6.6, 203.0.113.9, 10.1.1.1",), 2, "203.0.113.9"),
        (("203.0.113.9",), 2, "10.0.0.7"),  # it didn't come through both
        (("6.6.6.6, ",), 1, "10.0.0.7"),
        (("203.0.113.9:4711",), 1, "203.0.113.9"),
        (("[2001:db8::1]:4711",), 1, "2001:db8::/64"),
        (("2001:db8::1",), 1, "2001:db8::/64"),
        (("2001:db8::ffff:2",), 1, "2001:db8::/64"),
        (("::ffff:203.0.113.9",), 1, "203.0.113.9"),
        (("fe80::1%eth0",), 1, "fe80::/64"),
        (("unknown",), 1, "unknown"),
    ],
)
def test_a_visitor_is_the_address_that_the_outermost_proxy_saw(
    forwarded: tuple[str, ...], proxies: int, expected: str
) -> None:
    assert visitor.address(scope(*forwarded), proxies) == expected


@given(TEXT, st.ip_addresses())
def test_nothing_that_a_client_writes_makes_it_another_visitor(
    written: str, seen: ipaddress.IPv4Address | ipaddress.IPv6Address
) -> None:
    assert visitor.address(scope(f"{written}, {seen}"), 1) == visitor.address(scope(str(seen)), 1)
    assert visitor.address(scope(written, client=(str(seen), 1)), 0) == visitor.address(scope(str(seen)), 1)


@given(TEXT, st.integers(0, 10))
def test_an_address_is_short_whatever_is_sent(written: str, proxies: int) -> None:
    assert len(visitor.address(scope(written, client=None), proxies)) <= 64


def test_a_space_has_one_proxy_unless_the_config_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert visitor.proxies(Limits()) == 0
    monkeypatch.setenv("SPACE_HOST", "owner-name.hf.space")
    assert visitor.proxies(Limits()) == 1
    assert visitor.proxies(Limits(proxies=2)) == 2


def test_a_caller_is_told_apart_by_the_address_and_the_address_is_not_to_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SPACE_HOST", "owner-name.hf.space")

    def key(*forwarded: str, **headers: str) -> str:
        asked = scope(*forwarded)
        asked["headers"] += [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        caller = visitor.caller("openai", Request(asked), CONFIG)
        assert visitor.caller("page", gr.Request(Request(asked)), CONFIG).key == caller.key
        return caller.key

    seen = key("203.0.113.9")
    assert key("203.0.113.10") != seen
    assert key("6.6.6.6, 203.0.113.9") == key("203.0.113.9", x_ip_token="a.eyJzdWIiOiJhIn0.b") == seen
    assert key("203.0.113.9", authorization="Bearer anything") == seen
    assert re.fullmatch("[0-9a-f]{8}", seen)
    assert seen != hashlib.blake2b(b"203.0.113.9", digest_size=4).hexdigest()
