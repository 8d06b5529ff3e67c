"""The page's modules, styles and texts as files: their address, which changes with them, and what serves them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from streamspace import i18n

STATIC = Path(__file__).with_name("static")
KEPT = {"Cache-Control": "public, max-age=31536000, immutable"}  # a year; the address changes with the files


@cache
def folder() -> str:
    """The address of them all, below the page's. It has a digest of static/ and of the translations."""
    digest = sha256()
    for file in sorted([*STATIC.rglob("*"), *i18n.FOLDER.iterdir()]):
        if file.is_file():
            digest.update(file.read_bytes())
    return f"streamspace/{digest.hexdigest()[:16]}"


class _Static(StaticFiles):
    """The files of static/, which a browser may keep."""

    def file_response(self, *given: Any, **named: Any) -> Any:
        """See `StaticFiles`."""
        response = super().file_response(*given, **named)
        response.headers.update(KEPT)
        return response


def routes() -> list[BaseRoute]:
    """Where the browser finds the page's modules and styles, and its texts in each language."""
    texts = [Route(f"/{folder()}/texts/{language}.json", _texts(language)) for language in i18n.LANGUAGES]
    return [*texts, Mount(f"/{folder()}", _Static(directory=STATIC))]


def _texts(language: str) -> Callable[[Request], Response]:
    return lambda _: JSONResponse(i18n.of_page(language), headers=KEPT)
