"""What reaches the server at all: hosts, sizes and uploads; and the content policy of all that leaves it.

The values of a call are the page's gate's.
"""

from __future__ import annotations

import asyncio
import os
import re
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamspace.config.types import Config
from streamspace.i18n import t
from streamspace.prompt.images import MOST_MEGABYTES, uploads
from streamspace.web import visitor
from streamspace.web.openai import errors as openai
from streamspace.web.uploads import Uploads, make_room

MEGABYTE = 1024 * 1024
MOST_JSON = 8 * MEGABYTE  # bytes of a call: more than a browser stores of all conversations
MOST_STORED = 2048 * MEGABYTE  # bytes of all uploads; the oldest are deleted
# Gradio's routes that no page of ours uses: they run ffmpeg on what anyone sends, keep a visitor's values in a file,
# fetch an address, or print what they are asked for into the log.
CLOSED = re.compile(
    r"(?:/gradio_api)?/(?:process_recording|deep_link|proxy=|custom_component/|stream/|(?:undo-)?vibe-)"
)
LOCAL = ("localhost", "127.0.0.1", "::1")
# Nothing is loaded from other servers: an image's address could carry the prompt there. Gradio's page needs inline
# scripts and styles, and evaluates the page's events; Mermaid and KaTeX need nothing more.
POLICY = {
    "default-src": "'self'",
    "script-src": "'self' 'unsafe-inline' 'unsafe-eval'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "media-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "connect-src": "'self'",
    "frame-src": "'none'",
    "worker-src": "'self' blob:",
    "manifest-src": "'self'",
    "object-src": "'none'",
    "form-action": "'self'",
    "base-uri": "'self'",
}


class Door:
    """Middleware around Gradio's routes, by the config and by where the server runs."""

    def __init__(self, app: ASGIApp, config: Config) -> None:
        self._app = app
        self._images = config.limits.images if config.task == "image-chat" else 0
        self._space = [host.strip() for host in os.environ.get("SPACE_HOST", "").split(",") if host.strip()]
        self._local = os.environ.get("GRADIO_SERVER_NAME", LOCAL[0]) in LOCAL
        self._proxies = visitor.proxies(config.limits)
        self._uploads = Uploads()
        framed_by = "'self' https://huggingface.co" if self._space else "'self'"  # the Space's page there frames it
        self._policy = "; ".join(f"{name} {value}" for name, value in {**POLICY, "frame-ancestors": framed_by}.items())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        upload = scope["path"].rstrip("/").endswith("/upload") and scope["method"] == "POST"
        body = _Body(receive, self._most(scope["path"], upload))
        refusal = self._foreign(scope, headers) or (CLOSED.match(scope["path"]) and _refusal(scope, 404, "Not Found"))
        refusal = refusal or (await self._upload(scope, headers) if upload else None) or body.refusal(scope, headers)
        try:
            if refusal:
                await refusal(scope, receive, self._sending(send))
            else:
                await self._app(self._trusted(scope), body.receive, self._sending(send))
        except _TooLarge:
            await _refusal(scope, 413, t("error.too_large"))(scope, receive, self._sending(send))

    def _most(self, path: str, upload: bool) -> int:
        """The most bytes of a body. OpenAI's clients send images inside their JSON, where they take a third more."""
        images = self._images * MOST_MEGABYTES * MEGABYTE
        if upload:
            return images
        return MOST_JSON + (images * 4 // 3 if openai.serves(path) else 0)

    def _foreign(self, scope: Scope, headers: Headers) -> Response | None:
        """Another site may give its own name this machine's address, and would then be of the same origin."""
        host = headers.get("host", "")
        if not self._local or _name(host) in LOCAL:
            return None
        return _refusal(
            scope,
            421,
            f"Host: expected localhost or 127.0.0.1, got {host[:80]!r}. "
            "To serve others, set GRADIO_SERVER_NAME=0.0.0.0\n",
        )

    def _trusted(self, scope: Scope) -> Scope:
        """Without the headers that would make any name the root of the page's addresses."""

        def trusted(name: bytes, value: bytes) -> bool:
            given = name.lower()
            return given != b"x-gradio-server" and (
                given != b"x-forwarded-host" or _name(value.decode("latin-1").split(",")[0]) in self._space
            )

        return {**scope, "headers": [header for header in scope["headers"] if trusted(*header)]}

    async def _upload(self, scope: Scope, headers: Headers) -> Response | None:
        if not self._images:
            return _refusal(scope, 403, t("error.image_text_only"))
        size = headers.get("content-length", "")
        if not size.isdecimal():
            return _refusal(scope, 411, t("error.too_large"))
        if not self._uploads.admit(visitor.address(scope, self._proxies), int(size)):
            return _refusal(scope, 429, t("error.many_uploads"))
        await asyncio.to_thread(make_room, uploads(), MOST_STORED - int(size))
        return None

    def _sending(self, send: Send) -> Send:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Content-Security-Policy"] = self._policy
            await send(message)

        return sending


class _TooLarge(Exception):
    """A body that is longer than it may be."""


class _Body:
    """A request's body, of `most` bytes at most."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive = receive
        self._left = self._most = most

    def refusal(self, scope: Scope, headers: Headers) -> Response | None:
        """The answer to a request that says that it is too large; one that says nothing is counted."""
        size = headers.get("content-length", "0")
        return _refusal(scope, 413, t("error.too_large")) if size.isdecimal() and int(size) > self._most else None

    async def receive(self) -> Message:
        """The next piece. Raises `_TooLarge`."""
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise _TooLarge
        return message


def _refusal(scope: Scope, status: int, words: str) -> Response:
    """In the form of who asks."""
    if openai.serves(scope["path"]):
        return JSONResponse(openai.body(words.strip()), status)
    return PlainTextResponse(words, status)


def _name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host.strip()}").hostname
    except ValueError:  # no address
        return None
