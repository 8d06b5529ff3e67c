"""What may go wrong between this Space and a model's server: what passes, and how to say the rest."""

from __future__ import annotations

import httpx2  # huggingface_hub's
from huggingface_hub import InferenceTimeoutError
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

from streamspace.config.server import Endpoint
from streamspace.errors import redacted_trace
from streamspace.i18n import LazyText, t

RETRYABLE = (408, 429, 500, 502, 503, 504)  # answers that another try may change
REQUEST_ONLY = (400, 413, 422, 429)  # answers to one request, which say nothing of the next


def is_retryable(error: Exception) -> bool:
    """Whether another try may succeed: the server is starting, or has too much to do."""
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in RETRYABLE
    return isinstance(error, httpx2.TransportError) and not isinstance(error, httpx2.ReadTimeout)


def is_server_wide(error: Exception) -> bool:
    """Whether the next request will meet the same: not where the server refused this one, or has too much to do."""
    return not (isinstance(error, HfHubHTTPError) and error.response.status_code in REQUEST_ONLY)


def told(error: Exception) -> str:
    """What the log reads: not what the server says, which may quote a prompt."""
    status = f", HTTP {error.response.status_code}" if isinstance(error, HfHubHTTPError) else ""
    return f"{redacted_trace(error)}{status}"


def explain(error: Exception, model: str, settings: Endpoint) -> LazyText:
    """A sentence for the visitor, without the server's address, which may be private."""
    if isinstance(error, HfHubHTTPError):
        return _refusal(error.response.status_code, model, settings.secret)
    if isinstance(error, InferenceTimeoutError | httpx2.TimeoutException):
        return t("error.server_silent", seconds=settings.timeout)
    if isinstance(error, httpx2.TransportError):
        return t("error.server_unreachable")
    if isinstance(error, OfflineModeIsEnabled):
        return t("error.server_offline")
    return t("error.server_broke")


def _refusal(status: int, model: str, secret: str) -> LazyText:
    if status in (401, 403):
        return t("error.server_key", secret=secret)
    if status == 404:
        return t("error.server_model", model=model)
    if status == 429:
        return t("error.server_busy")
    if status >= 500:
        return t("error.server_failed", status=status)
    return t("error.server_refused", status=status)
