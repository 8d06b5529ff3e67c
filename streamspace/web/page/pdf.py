"""The text of a PDF that a visitor attaches, read by pdf_text.py in a process of its own, which may be ended."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from streamspace.config.limits import Limits
from streamspace.config.types import Config

SECONDS = 20  # for one
AT_ONCE = 2
MOST_WAITING = 8
SCRIPT = Path(__file__).with_name("pdf_text.py")


class Pdfs:
    """Reads PDFs: a few at once, and no more characters of each than a message may bring."""

    def __init__(self, limits: Limits) -> None:
        self._most = limits.file_characters
        self._places = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def answer(self, request: Request) -> Response:
        """The text of the PDF in the body, with one character too many where it is too long.

        Its status is 422 for what is no PDF, has no text or asks for a password, and 503 where too many are being read.
        """
        if self._waiting >= MOST_WAITING:
            return Response(status_code=503, headers={"Retry-After": "10"})
        self._waiting += 1
        try:
            content = await request.body()
            async with self._places:
                text = await self._text(content)
        finally:
            self._waiting -= 1
        return PlainTextResponse(text) if text.strip() else Response(status_code=422)

    async def _text(self, content: bytes) -> str:
        # Without the environment: what is read is a stranger's, and the secrets are there.
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", str(SCRIPT), str(self._most), stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={}
        )
        try:
            text, _ = await asyncio.wait_for(process.communicate(content), SECONDS)
        except TimeoutError:
            return ""
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return text.decode() if process.returncode == 0 else ""


def routes(config: Config) -> list[BaseRoute]:
    """Where the page has a PDF read, if messages may bring files."""
    if not config.limits.files or config.task == "completion":
        return []
    return [Route("/streamspace/pdf", Pdfs(config.limits).answer, methods=["POST"])]
