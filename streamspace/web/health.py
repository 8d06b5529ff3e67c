"""GET /health, /readyz and /livez, in JSON, for load balancers, probes and people with curl."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from streamspace.i18n import t
from streamspace.reply.loader import Loader


def routes(loader: Loader) -> list[Route]:
    """Under /health and /readyz 200 when a reply could be written, 503 when not; under /livez 200 while this runs."""

    async def health(request: Request) -> JSONResponse:
        found = health_of(loader)
        if found["state"] == "failed":
            loader.ensure_started()  # a copy to which no visitor is sent any more would never try again
        return JSONResponse(found, 200 if found["ok"] else 503, {"Cache-Control": "no-store"})

    async def alive(request: Request) -> JSONResponse:
        return JSONResponse({"ok": True}, headers={"Cache-Control": "no-store"})

    return [Route("/health", health), Route("/readyz", health), Route("/livez", alive)]


def health_of(loader: Loader) -> dict[str, Any]:
    """What /health answers; `reason` is said as the page says it. A full queue moves on by itself."""
    if loader.closing:
        return _answer("closing", t("error.closing"), None, *loader.busy)
    if problem := loader.error:
        return _answer("failed", t("error.unloaded", problem=problem))
    if not loader.pipeline:
        return _answer("loading", loader.progress or t("status.loading"))
    engine, (writing, waiting) = loader.pipeline.engine, loader.pipeline.busy
    return _answer("ready", engine.unavailable_reason(), engine.name, writing, waiting)


def _answer(
    state: str, reason: str | None, engine: str | None = None, writing: int = 0, waiting: int = 0
) -> dict[str, Any]:
    return {
        "ok": not reason, "state": state, "reason": reason, "engine": engine, "writing": writing, "waiting": waiting,
    }  # fmt: skip
