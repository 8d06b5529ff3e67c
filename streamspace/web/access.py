"""Who may come in, where the config asks: clients of the API with the Space's key, visitors of the page signed in."""

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
from streamspace.web import account, visitor

HEADERS = {"WWW-Authenticate": "Bearer"}  # of every 401
# Gradio's API by name, at any root; by these names it would call the page's own functions as well.
NAMED = re.compile(r".*/(?P<way>call(?:/v2)?|run|api)/(?P<name>[^/]*)/?", re.DOTALL)
UPLOADS = re.compile(r".*/(?:upload|streamspace/pdf)/?", re.DOTALL)  # of the page, and of clients of the API


def admit(door: Door, request: gr.Request | Request, loader: Loader) -> Caller:
    """Who asks through a door that may have a key. Raises AccessError, and the log has why, not what was sent."""
    caller = visitor.caller(door, request, loader.config)
    with loader.accounts.refusals(caller):
        _check(request.request if isinstance(request, gr.Request) else request, loader.config)
    return caller


def visit(request: gr.Request | Request | None, config: Config) -> None:
    """Raises AccessError for who may not use the page: isn't signed in, or with an account that isn't let in."""
    if not config.access.login:
        return
    asked = request.request if isinstance(request, gr.Request) else request
    found = account.of(asked.scope) if asked else None
    if not found:
        raise AccessError(t("error.sign_in"))
    if not found.may(config.access):
        raise AccessError(t("error.not_invited", name=found.name))


def _check(request: Request | None, config: Config) -> None:
    if not config.access.key:
        if config.access.login:
            raise AccessError(t("error.key_none"))
        return
    expected = f"Bearer {secrets.required('access.key', config.access.key)}".encode()
    sent = ", ".join(request.headers.getlist("authorization") if request else ()).encode("latin-1")
    if not sent.strip():
        raise AccessError(t("error.key_missing"))
    if not hmac.compare_digest(sent, expected):
        raise AccessError(t("error.key_wrong"))


class Keyed:
    """Middleware before Gradio's API and, with login, before uploads.

    A call by the page's way, the queue, is for the gate or the endpoint to check.
    """

    def __init__(self, app: ASGIApp, loader: Loader) -> None:
        self._app = app
        self._loader = loader

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] == "http" and scope["method"] == "POST":
            try:
                self._check(Request(scope))
            except AccessError as error:
                await JSONResponse({"detail": str(error)}, 401, HEADERS)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, request: Request) -> None:
        config, path = self._loader.config, request.scope["path"]
        if NAMED.fullmatch(path):
            admit("gradio", request, self._loader)
        elif config.access.login and UPLOADS.fullmatch(path):
            try:
                visit(request, config)
            except AccessError:
                if "authorization" not in request.headers:
                    raise
                _check(request, config)
