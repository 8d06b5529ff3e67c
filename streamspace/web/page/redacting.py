"""Keeps what visitors send out of the log when a call fails: Gradio alone would print a traceback that quotes it.

A call fails in the page, which runs the handlers, or before it comes there, in the server. Both log where the failure
came from, and answer in plain words.
"""

from __future__ import annotations

import logging
from typing import Any

import gradio as gr
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamspace.errors import redacted_trace, unexpected
from streamspace.i18n import t
from streamspace.web.page.uploads import UploadsOnly

log = logging.getLogger(__name__)


class RedactingBlocks(UploadsOnly):
    """A page whose calls fail with a gr.Error only, which Gradio shows to the client and doesn't print."""

    async def process_api(self, *given: Any, **named: Any) -> dict[str, Any]:
        """See `gr.Blocks`: the whole of a call, from the values sent to those returned."""
        try:
            return await super().process_api(*given, **named)
        except gr.Error as error:
            error.print_exception = False
            raise
        except Exception as error:
            log.error("A call failed: %s", redacted_trace(error))
            raise gr.Error(unexpected(), print_exception=False) from error

    async def preprocess_data(self, *given: Any, **named: Any) -> Any:
        """See `gr.Blocks`: too few values fail here, and those that a component can't take."""
        try:
            return await super().preprocess_data(*given, **named)
        except gr.Error:
            raise
        except Exception as error:
            log.warning("A call was refused for its values: %s", redacted_trace(error))
            raise gr.Error(t("error.values"), print_exception=False) from error


class RedactingMiddleware:
    """Middleware between the server, which prints what is raised, and Gradio's routes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as error:
            log.error("A request failed: %s", redacted_trace(error))
            if not begun:
                await JSONResponse({"detail": unexpected()}, 500)(scope, receive, send)
