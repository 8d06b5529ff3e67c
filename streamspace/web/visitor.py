"""Who a visitor is: an address, as the outermost of the proxies saw it, an open page, a language, a caller."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
import secrets

import gradio as gr
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Scope

from streamspace import i18n
from streamspace.config.limits import Limits
from streamspace.config.types import Config
from streamspace.reply.request import Caller, Door
from streamspace.web import account

SALT = secrets.token_bytes(16)  # of this process: what its log says of a visitor can't be looked up in a table

WITH_PORT = re.compile(r"\[(?P<six>[0-9a-fA-F:.]+)\](?::\d+)?|(?P<four>\d+(?:\.\d+){3}):\d+")


def language(request: gr.Request) -> str:
    """The visitor's language, by the browser's settings."""
    return i18n.language_of(request.headers.get("accept-language"))


def identity(request: gr.Request) -> str:
    """What tells one open page from another: Gradio draws it at random."""
    return request.session_hash or ""


def caller(door: Door, request: gr.Request | Request | None, config: Config, shares: str = "") -> Caller:
    """Who asks through a door, for limits and the log: by the account or else the address, kept as a salted hash.

    Not by what a client may choose itself: Gradio's session, or X-IP-Token, whose claims only the Hub could verify.
    """
    asked = request.request if isinstance(request, gr.Request) else request
    signed = account.of(asked.scope) if asked else None
    seen = f"account {signed.id}" if signed else address(asked.scope, proxies(config.limits)) if asked else ""
    return Caller(door, hashlib.blake2b(seen.encode(), key=SALT, digest_size=4).hexdigest(), shares=shares)


def proxies(limits: Limits) -> int:
    """How many proxies stand before the app."""
    return limits.proxies if limits.proxies is not None else int("SPACE_HOST" in os.environ)


def address(scope: Scope, proxies: int) -> str:
    """The visitor's address; the network of an IPv6 address, since a visitor has all addresses of one.

    Each proxy adds the address that it was asked from to the right of X-Forwarded-For, so what a client wrote itself
    is further left than the `proxies` last ones.
    """
    passed = ",".join(Headers(scope=scope).getlist("x-forwarded-for")).split(",")
    if 0 < proxies <= len(passed) and (seen := passed[-proxies].strip()):
        return _network(seen)
    return _network((scope.get("client") or ("",))[0])


def _network(written: str) -> str:
    found = WITH_PORT.fullmatch(written)
    host = (found["six"] or found["four"]) if found else written
    try:
        parsed = ipaddress.ip_address(host)
    except ValueError:  # "unknown", or the name of a socket
        return host[:64]
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False))
