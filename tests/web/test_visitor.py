"""Who a visitor is: by what the proxies before the app wrote, never by what the visitor did."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Scope

from streamspace.config.types import Limits
from streamspace.web import visitor

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
