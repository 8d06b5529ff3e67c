"""MCP's streamable HTTP: each request is an exchange of its own, which ends with its client; the tool is `tool`'s."""

from __future__ import annotations

import re
import secrets
from collections import deque
from functools import partial

import anyio
from gradio.context import LocalContext
from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.streamable_http import StreamableHTTPServerTransport
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import streamspace
from streamspace.errors import AccessError
from streamspace.reply.loader import Loader
from streamspace.web import access, visitor
from streamspace.web.mcp import messages
from streamspace.web.mcp.messages import Refused
from streamspace.web.mcp.tool import Tool, refusal

PATHS = ("/mcp", "/mcp/")
JSON = "application/json"  # a page of another site can send other types without asking the browser for leave
SESSION = re.compile(r"[0-9a-f]{32}")
WORDS = (
    "This is an MCP server. Add its address to an agent as an MCP server of the type HTTP (streamable HTTP). "
    "It takes POST only\n"
)


def routes(loader: Loader) -> list[Route]:
    """The route, with and without a slash at its end."""
    app: ASGIApp = Mcp(loader)
    return [Route(path, app) for path in PATHS]


class Mcp:
    """MCP for one loader, as an ASGI application.

    A session is a random name: nothing is kept of it, so that it outlives a restart. A client gives the name back, and
    by it cancels its own calls only.
    """

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._tool = Tool(loader)
        self._calls: dict[tuple[str, types.RequestId], anyio.CancelScope] = {}
        self._server: Server[object, Request] = Server("streamspace", version=streamspace.__version__)
        self._server.request_handlers[types.ListToolsRequest] = self._list
        self._server.request_handlers[types.CallToolRequest] = self._call

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        request = Request(scope, receive)
        try:
            access.admit("mcp", request, self._loader)
        except AccessError as error:
            refused = messages.error(str(error), 401)
            refused.headers.update(access.HEADERS)
            await refused(scope, receive, send)
            return
        if request.method != "POST":
            await PlainTextResponse(WORDS, 405, {"Allow": "POST"})(scope, receive, send)
            return
        try:
            _check_type(request)
            body = await request.body()
            message = messages.read(body)
        except Refused as error:
            await error.response(scope, receive, send)
            return
        if message.id is None:
            self._notice(message, _session(request))
            await Response(status_code=202)(scope, receive, send)
            return
        LocalContext.request.set(request)  # type: ignore[arg-type]  # where `spaces` looks for the visitor
        session = _session(request) or (secrets.token_hex(16) if message.method == "initialize" else None)
        await self._exchange(session, scope, _again(body, receive), send)

    async def _exchange(self, session: str | None, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request. What it began ends with it, also where its client has gone."""
        transport, options = StreamableHTTPServerTransport(session), self._server.create_initialization_options()
        async with transport.connect() as streams, anyio.create_task_group() as tasks:
            tasks.start_soon(partial(self._server.run, *streams, options, stateless=True))
            try:
                await transport.handle_request(scope, receive, send)
            finally:
                with anyio.CancelScope(shield=True):
                    await transport.terminate()
                tasks.cancel_scope.cancel()

    async def _list(self, request: types.ListToolsRequest) -> types.ServerResult:
        return types.ServerResult(types.ListToolsResult(tools=[self._tool.described()]))

    async def _call(self, request: types.CallToolRequest) -> types.ServerResult:
        """The tool's answer. On ZeroGPU it is paid from the quota of who sends the request."""
        context, asked = self._server.request_context, request.params
        token = context.meta.progressToken if context.meta else None

        async def tell(progress: int, words: str) -> None:
            if token is not None:
                await context.session.send_progress_notification(token, progress, None, words, str(context.request_id))

        caller = visitor.caller("mcp", context.request, self._loader.config)
        call = (_session(context.request) if context.request else None) or "", context.request_id
        with anyio.CancelScope() as scope:
            self._calls[call] = scope
            try:
                return types.ServerResult(await self._tool.call(asked.name, asked.arguments or {}, tell, caller))
            finally:
                if self._calls.get(call) is scope:
                    del self._calls[call]
        return types.ServerResult(refusal("Cancelled, as the client has asked."))

    def _notice(self, message: messages.Message, session: str | None) -> None:
        """Ends the call that a client cancels; no other notification matters here."""
        cancelled = messages.request_id(message.params.get("requestId"))
        if session and cancelled is not None and message.method == "notifications/cancelled":
            scope = self._calls.get((session, cancelled))
            if scope:
                scope.cancel()


def _session(request: Request) -> str | None:
    given = request.headers.get("mcp-session-id", "")
    return given if SESSION.fullmatch(given) else None


def _check_type(request: Request) -> None:
    sent = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if sent != JSON:
        raise Refused(f"Content-Type: expected {JSON}, got {sent[:40] or 'nothing'}")


def _again(body: bytes, receive: Receive) -> Receive:
    """Receives a body that has been read once more, then what comes after it."""
    read: deque[Message] = deque([{"type": "http.request", "body": body, "more_body": False}])

    async def receiving() -> Message:
        return read.popleft() if read else await receive()

    return receiving
