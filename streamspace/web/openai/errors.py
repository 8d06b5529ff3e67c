"""What went wrong, as OpenAI's API says it: a status by which clients decide whether to try again, and a body."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse

from streamspace.errors import (
    AccessError,
    BusyError,
    ClosingError,
    GenerationError,
    GpuError,
    ModelError,
    QuotaError,
    RequestError,
    told,
)
from streamspace.reply.loader import RETRY_DELAY
from streamspace.web import access

PATHS = ("/v1", "/gradio_api/v1")
PATIENCE = 60  # seconds that OpenAI's clients wait at most for another try
INVALID, SERVER = "invalid_request_error", "server_error"


@dataclass(frozen=True)
class Answer:
    """How an error is told: `wait` is in how many seconds the same request may succeed, None where it can't."""

    status: int
    type: str
    code: str | None = None
    wait: int | None = None


BAD = Answer(400, INVALID)
UNSUPPORTED = Answer(400, INVALID, "unsupported_parameter")
UNKNOWN_MODEL = Answer(404, INVALID, "model_not_found")
CLOSING = Answer(503, SERVER, "server_shutting_down", wait=30)
LOADING = Answer(503, SERVER, "model_loading", wait=5)
ANSWERS: dict[type[Exception], Answer] = {  # the first that fits
    AccessError: Answer(401, INVALID, "invalid_api_key"),
    RequestError: BAD,
    QuotaError: Answer(429, "insufficient_quota", "insufficient_quota"),
    GpuError: Answer(503, SERVER, wait=5),
    ModelError: Answer(503, SERVER, "model_not_loaded", wait=round(RETRY_DELAY)),
    GenerationError: Answer(500, SERVER),
}


class Refused(RequestError):
    """A request that is refused by the rules of this API; `parameter` is the key that is wrong."""

    def __init__(self, text: str, parameter: str = "", answer: Answer = BAD) -> None:
        super().__init__(text)
        self.parameter = parameter
        self.answer = answer


def serves(path: str) -> bool:
    """Whether a path is one of this API's, whose errors have this form."""
    return any(path == each or path.startswith(f"{each}/") for each in PATHS)


def body(message: str, type: str = INVALID, parameter: str | None = None, code: str | None = None) -> dict[str, Any]:
    """An error as clients read it."""
    return {"error": {"message": message, "type": type, "param": parameter or None, "code": code}}


def explain(error: Exception) -> tuple[Answer, dict[str, Any]]:
    """How an exception is told, and the body that tells it. A defect is logged."""
    if isinstance(error, Refused):
        return error.answer, body(str(error), error.answer.type, error.parameter, error.answer.code)
    if isinstance(error, ClosingError):
        return CLOSING, body(str(error), CLOSING.type, None, CLOSING.code)
    if isinstance(error, BusyError):
        full = Answer(429, "rate_limit_error", "rate_limit_exceeded", error.retry_after)
        return full, body(str(error), full.type, None, full.code)
    for kind, found in ANSWERS.items():
        if isinstance(error, kind):
            return found, body(str(error), found.type, None, found.code)
    return Answer(500, SERVER), body(str(told(error)), SERVER)


def response(error: Exception) -> JSONResponse:
    """The answer to a request that failed before any of its reply was sent."""
    told, content = explain(error)
    headers = {"Retry-After": str(told.wait)} if told.wait else {}
    headers |= access.HEADERS if told.status == 401 else {}
    if told.code == "insufficient_quota" or (told.wait or 0) > PATIENCE:
        headers["x-should-retry"] = "false"  # OpenAI's clients try each 429 again
    return JSONResponse(content, told.status, headers)
