"""Signing in with Hugging Face, by OpenID Connect: who comes back from there has an account in the session, a cookie.

What an account may do is `access`'s to say. Why these aren't Gradio's own routes: docs/decisions/0015-sign-in.md.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

import anyio
from huggingface_hub import HfApi
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from streamspace.config.access import Access
from streamspace.errors import ConfigError, redacted_trace
from streamspace.web import account
from streamspace.web.account import Account

log = logging.getLogger(__name__)
# What the Hub tells a Space whose card has hf_oauth (hub docs, "Adding a Sign-In with HF button to your Space").
GIVEN = ("OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", "OAUTH_SCOPES", "OPENID_PROVIDER_URL")
LONGEST = 8 * 3600  # seconds until a visitor signs in again; less where the Hub's token ends before
ASKED_AT_ONCE = 4  # questions to the Hub for the GPU time that visitors have left
COOKIE = "__Host-streamspace"  # by its name a browser takes it from this host alone
FRESH = {"Cache-Control": "no-store"}


def check(access: Access, environ: Mapping[str, str] = os.environ) -> None:
    """Raises ConfigError where nobody could sign in: Gradio would sign everybody in as this computer's user."""
    missing = [name for name in GIVEN if not environ.get(name)]
    if access.login and missing:
        problem = f"access.login: expected {', '.join(missing)} in the environment, found none"
        space = "A Space is given them once its card says hf_oauth, which a deploy writes"
        raise ConfigError(
            [f"{problem}. {space}. Elsewhere: login: false, or an app of your own, see docs/operations.md#sign-in"]
        )


def middleware(access: Access) -> list[Middleware]:
    """Keeps the session in a cookie: signed, not encrypted; in the Hub's frame, too, and there for that page alone."""
    if not access.login:
        return []
    from starlette.middleware.sessions import SessionMiddleware  # needs itsdangerous, which others don't

    signed = f"streamspace 1 {os.environ['OAUTH_CLIENT_SECRET']}".encode()
    return [
        Middleware(
            SessionMiddleware, secret_key=hashlib.sha256(signed).hexdigest(), session_cookie=COOKIE, max_age=LONGEST,
            same_site="none", https_only=True, partitioned=True,
        )
    ]  # fmt: skip


def routes(access: Access) -> list[BaseRoute]:
    """The ways to the Hub and back, out again, and what the page asks of who is signed in."""
    if not access.login:
        return []
    login = _Login(access)
    return [
        Route("/login/huggingface", login.begin),
        Route("/login/callback", login.end, name="signed_in"),
        Route("/logout", login.leave, methods=["POST"]),
        Route("/streamspace/account", login.account),
        Route("/streamspace/quota", login.quota),
    ]


class _Login:
    def __init__(self, access: Access) -> None:
        from authlib.integrations.starlette_client import OAuth  # takes a moment, and others don't need it

        self._access = access
        client_id, secret, self._scopes, provider = (os.environ[name] for name in GIVEN)
        self._hub = OAuth().register(
            "huggingface", client_id=client_id, client_secret=secret, client_kwargs={"scope": self._scopes},
            server_metadata_url=f"{provider.rstrip('/')}/.well-known/openid-configuration",
        )  # fmt: skip
        self._asking = anyio.CapacityLimiter(ASKED_AT_ONCE)

    async def begin(self, request: Request) -> Response:
        """Sends the visitor to the Hub, which sends them back to the Space's first address only."""
        first, *others = account.hosts() or [""]
        if request.headers.get("host") in others:
            return RedirectResponse(f"https://{first}{request.url.path}{_query(request)}")
        back = f"https://{first}/login/callback" if first else str(request.url_for("signed_in"))
        try:
            answer: Response = await self._hub.authorize_redirect(request, f"{back}{_query(request)}")
        except Exception as error:
            return _failed(request, error)
        return answer

    async def end(self, request: Request) -> Response:
        """Takes the account of a visitor who comes from the Hub into a new session."""
        try:
            token = await self._hub.authorize_access_token(request)
            told = await self._hub.userinfo(token=token)
            if told["sub"] != token["userinfo"]["sub"]:  # OpenID Connect Core 5.3.2
                raise ValueError("the account's description is another's")
            found = self._account(token, told)
        except Exception as error:
            return _failed(request, error)
        request.session.clear()
        request.session[account.PLACE] = asdict(found)
        return RedirectResponse(f"../{_query(request)}", 303)

    def _account(self, token: Mapping[str, Any], told: Mapping[str, Any]) -> Account:
        """An organization counts by its name, which is its own, not by its title, and once its conditions are met."""
        member = {each["preferred_username"] for each in told.get("orgs") or [] if not each.get("securityRestrictions")}
        organizations = account.lowered(self._access.organizations) & account.lowered(member)
        until = min(token.get("expires_at") or float("inf"), time.time() + LONGEST)
        billing = "read-billing" in token.get("scope", self._scopes).split()
        named = told["sub"], told["preferred_username"]
        return Account(*named, sorted(organizations), until, token["access_token"] if billing else None)

    async def leave(self, request: Request) -> Response:
        """Ends the session; not for another site, which could sign a visitor out."""
        if account.from_here(request.scope):
            request.session.clear()
        return Response(status_code=204)

    async def account(self, request: Request) -> Response:
        """Who is signed in, and whether they may use the page."""
        found = account.of(request.scope)
        return JSONResponse(
            {"name": found.name if found else None, "may": bool(found and found.may(self._access))}, headers=FRESH
        )

    async def quota(self, request: Request) -> Response:
        """The GPU seconds that the visitor has left today; null where the Hub doesn't say."""
        found, seconds = account.of(request.scope), None
        if found and found.token:
            try:
                left = await anyio.to_thread.run_sync(_left, found.token, limiter=self._asking)
                seconds = max(0, int(left))
            except Exception as error:
                log.warning("The Hub didn't tell a visitor's GPU quota: %s", redacted_trace(error))
        return JSONResponse({"seconds": seconds}, headers=FRESH)


def _left(token: str) -> float:
    return HfApi().get_zero_gpu_quota(token=token).remaining


def _query(request: Request, **told: str) -> str:
    """The end of the page's address, with the only setting in it, by which the Hub's frame makes it light or dark."""
    theme = request.query_params.get("__theme")
    query = urlencode(told | ({"__theme": theme} if theme in ("light", "dark") else {}))
    return f"?{query}" if query else ""


def _failed(request: Request, error: Exception) -> Response:
    """Back to the page, which says so; the log has the place, since the message may quote what others wrote."""
    log.warning("A sign-in failed: %s", redacted_trace(error))
    return RedirectResponse(f"../{_query(request, sign_in='failed')}", 303)
