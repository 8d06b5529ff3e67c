"""Keeps visitors' texts out of the log when a call fails: Gradio alone would print a traceback that quotes them.

A call can fail in the page, which runs the handlers, or before that, in the server. Both log a redacted traceback and
answer with a message for the visitor.
"""

from __future__ import annotations

import logging
from typing import Any

import gradio as gr
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamspace.errors import RequestError, redacted_trace, unexpected
from streamspace.i18n import t
from streamspace.problems import say
from streamspace.web.access import NAMED
from streamspace.web.page.gate import Gate
from streamspace.web.readers import Leftovers, Readers

log = logging.getLogger(__name__)


class RedactingBlocks(gr.Blocks):
    """A page whose values pass a gate, and whose calls fail with gr.Error only, which Gradio doesn't print."""

    def __init__(self, gate: Gate, **settings: Any) -> None:
        super().__init__(**settings)
        self._gate = gate
        self._readers, self._leftovers = Readers(), Leftovers()

    async def process_api(self, block_fn: Any, inputs: Any, *given: Any, **named: Any) -> dict[str, Any]:
        """See `gr.Blocks`: a whole call, from the values sent to those returned, or the next step of one."""
        try:
            if not named.get("iterator"):
                function = self.fns[block_fn] if isinstance(block_fn, int) else block_fn
                self._gate.visitor(function, named.get("request"))
                inputs = self._gate.values(function, inputs)
                named["event_data"] = None  # no function here takes any
            self._leftovers.forget(self._queue)
            self._readers.check(self._queue.pending_messages_per_session.get(named.get("session_hash")))
            return await super().process_api(block_fn, inputs, *given, **named)
        except RequestError as error:
            raise gr.Error(str(error), print_exception=False) from error
        except gr.Error as error:
            error.print_exception = False
            raise
        except Exception as error:
            log.error("A call failed: %s", redacted_trace(error))
            raise gr.Error(unexpected(), print_exception=False) from error

    async def preprocess_data(self, *given: Any, **named: Any) -> Any:
        """See `gr.Blocks`: missing values and values of wrong types fail here."""
        try:
            return await super().preprocess_data(*given, **named)
        except gr.Error:
            raise
        except Exception as error:
            log.warning("A call was refused because of its values: %s", redacted_trace(error))
            raise gr.Error(t("error.values"), print_exception=False) from error


class RedactingMiddleware:
    """Middleware between Gradio's routes and the server, which would print their exceptions."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as error:
            refusal = _refusal(error, scope)
            if not refusal:
                log.error("A request failed: %s", redacted_trace(error))
            if not started:
                told, status = refusal or (unexpected(), 500)
                await JSONResponse({"detail": told}, status)(scope, receive, send)


def _refusal(error: Exception, scope: Scope) -> tuple[str, int] | None:
    """What a client did wrong where Gradio raises something else, and the status; None for a defect."""
    # FastAPI's answer to a wrong body quotes it, which fails where JSON can't hold it: 1e999, half a character.
    if type(error.__context__).__name__ == "RequestValidationError":
        return t("error.values"), 422
    if not (called := NAMED.fullmatch(scope["path"])):
        return None
    functions = scope["app"].get_blocks().fns.values()
    if called["name"] not in {each.api_name for each in functions}:
        public = ", ".join(f"/{each.api_name}" for each in functions if each.api_visibility == "public")
        return f"api_name: expected {public}, got {say(called['name'])}", 404
    # Arguments by name, of which one is missing or unknown.
    return (t("error.values"), 422) if called["way"] == "call/v2" and isinstance(error, TypeError) else None
