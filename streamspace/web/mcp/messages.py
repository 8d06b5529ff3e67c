"""What a client of MCP may send: one JSON-RPC message, checked whole; what is done with it is `routes`'s.

The `mcp` package checks messages too, and writes those that it refuses, with all that is in them, into the log.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from mcp import types
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from starlette.responses import JSONResponse

from streamspace.errors import RequestError
from streamspace.i18n import t
from streamspace.problems import expected, path, say

KINDS: dict[str, type[BaseModel]] = {
    "initialize": types.InitializeRequest,
    "ping": types.PingRequest,
    "tools/list": types.ListToolsRequest,
    "tools/call": types.CallToolRequest,
}


class Refused(RequestError):
    """A message that is refused by the rules of JSON-RPC. With a status of 400, some clients never tell who asked."""

    def __init__(self, text: str, code: int = types.INVALID_REQUEST, request: types.RequestId | None = None) -> None:
        super().__init__(text)
        self.response = error(text, 400 if request is None else 200, code, request)


def error(
    text: str, status: int, code: int = types.INVALID_REQUEST, request: types.RequestId | None = None
) -> JSONResponse:
    """An error of JSON-RPC."""
    return JSONResponse({"jsonrpc": "2.0", "id": request, "error": {"code": code, "message": text}}, status)


@dataclass(frozen=True)
class Message:
    """A message: a request if it has an `id`, else a notification, or an answer, for which nobody here waits."""

    id: types.RequestId | None
    method: str
    params: dict[str, Any] = field(default_factory=dict)


def read(body: bytes) -> Message:
    """The checked message. Raises Refused with the first thing that is wrong in it."""
    try:
        sent = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        half = "hex escape" in str(error)
        told = str(t("error.half_character")) if half else f"The body isn't JSON: {error}"
        raise Refused(told, types.PARSE_ERROR) from None
    if not _is_finite(sent):
        raise Refused("The body has a number that is too large, such as 1e999", types.PARSE_ERROR)
    if not isinstance(sent, dict):
        raise Refused(f"body: expected one JSON-RPC message, got {say(sent)}")
    known = request_id(sent.get("id"))
    if "method" not in sent or "id" not in sent:
        params = sent.get("params")
        return Message(None, str(sent.get("method", "")), params if isinstance(params, dict) else {})
    if known is None:
        raise Refused(f"id: expected text or a whole number, got {say(sent['id'])}")
    kind = KINDS.get(sent["method"]) if isinstance(sent["method"], str) else None
    if not kind:
        raise Refused(
            f"method: expected one of {', '.join(KINDS)}, got {say(sent['method'])}", types.METHOD_NOT_FOUND, known
        )
    try:
        for each in (types.JSONRPCRequest, kind):
            each.model_validate(sent)
    except ValidationError as error:
        (detail, *_) = error.errors()
        found = "nothing" if detail["type"] == "missing" else say(detail["input"])
        told = f"{path(detail['loc'])}: expected {expected(detail)}, got {found}"
        raise Refused(told, types.INVALID_PARAMS, known) from None  # without its cause, which quotes the value
    return Message(known, sent["method"])


def request_id(sent: object) -> types.RequestId | None:
    """The number or the name of a request; None for anything else."""
    return sent if isinstance(sent, str | int) and not isinstance(sent, bool) else None


def _is_finite(sent: object) -> bool:
    """`mcp` takes a number that isn't for null."""
    try:
        json.dumps(sent, allow_nan=False)
    except ValueError:
        return False
    return True
