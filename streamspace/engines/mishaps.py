"""What may go wrong between this Space and a model's server: what passes, and how to say the rest."""

from __future__ import annotations

import httpx2  # huggingface_hub's
from huggingface_hub import InferenceTimeoutError
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

from streamspace.config import Endpoint

PASSING = (408, 429, 500, 502, 503, 504)  # answers that another try may change
AGAIN = "Try again in a moment"


def passing(error: Exception) -> bool:
    """Whether another try may succeed: the server is starting, or has too much to do."""
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in PASSING
    return isinstance(error, httpx2.TransportError) and not isinstance(error, httpx2.ReadTimeout)


def explain(error: Exception, model: str, settings: Endpoint) -> str:
    """A sentence for the visitor, without the server's address, which may be private."""
    if isinstance(error, HfHubHTTPError):
        return _refusal(error.response.status_code, model, settings.secret)
    if isinstance(error, InferenceTimeoutError | httpx2.TimeoutException):
        return f"The model's server sent nothing for {settings.timeout:g} seconds. {AGAIN}"
    if isinstance(error, httpx2.TransportError):
        return f"The model's server can't be reached. {AGAIN}"
    if isinstance(error, OfflineModeIsEnabled):
        return "The model's server is out of reach while HF_HUB_OFFLINE is set. The Space's owner: unset it"
    return f"The model's server failed while it was answering: {first_line(error)}"


def first_line(error: Exception) -> str:
    """What an exception says, short enough to quote."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


def _refusal(status: int, model: str, secret: str) -> str:
    if status in (401, 403):
        return f"The model's server refuses this Space's key. Its owner: see the secret {secret}"
    if status == 404:
        return f"The model's server has no model {model!r}. The Space's owner: see model.id and endpoint.url"
    if status == 429:
        return f"The model's server has too much to do. {AGAIN}"
    if status >= 500:
        return f"The model's server failed (HTTP {status}). {AGAIN}"
    return f"The model's server refused the request (HTTP {status}). Shorten the conversation, or start a new one"
