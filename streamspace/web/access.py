"""Who may come in by the API: clients with the Space's key, where its config asks for one. The page stays open."""

from __future__ import annotations

import hmac
import re

import gradio as gr
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from streamspace.config import secrets
from streamspace.config.types import Config
from streamspace.errors import AccessError
from streamspace.i18n import t
from streamspace.reply.loader import Loader
from streamspace.reply.request import Caller, Door
from streamspace.web import visitor

HEADERS = {"WWW-Authenticate": "Bearer"}  # of every 401
# Gradio's API by name, at any root; by these names it would call the page's own functions as well.
NAMED = re.compile(r".*/(?:call(?:/v2)?|run|api)/[^/]*/?", re.DOTALL)


def admit(door: Door, request: gr.Request | Request, loader: Loader) -> Caller:
    """Who asks through a door that may have a key. Raises AccessError, and the log has why, not what was sent."""
    caller = visitor.caller(door, request, loader.config)
    with loader.accounts.refusals(caller):
        _check(request.request if isinstance(request, gr.Request) else request, loader.config)
    return caller


def _check(request: Request | None, config: Config) -> None:
    if not config.access.key:
        return
    expected = f"Bearer {secrets.required('access.key', config.access.key)}".encode()
    sent = ", ".join(request.headers.getlist("authorization") if request else ()).encode("latin-1")
    if not sent.strip():
        raise AccessError(t("error.key_missing"))
    if not hmac.compare_digest(sent, expected):
        raise AccessError(t("error.key_wrong"))


class Keyed:
    """Middleware before Gradio's API; a call by the page's way, the queue, is the endpoint's to check."""

    def __init__(self, app: ASGIApp, loader: Loader) -> None:
        self._app = app
        self._loader = loader

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] == "http" and scope["method"] == "POST" and NAMED.fullmatch(scope["path"]):
            try:
                admit("gradio", Request(scope), self._loader)
            except AccessError as error:
                await JSONResponse({"detail": str(error)}, 401, HEADERS)(scope, receive, send)
                return
        await self._app(scope, receive, send)
