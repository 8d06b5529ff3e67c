"""The HTTP client through which huggingface_hub asks a model's server; what is asked, `endpoint` says."""

from __future__ import annotations

import functools
import ssl
from typing import Any

import httpx2  # huggingface_hub's
from huggingface_hub import constants
from huggingface_hub.errors import OfflineModeIsEnabled

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class Verbatim(dict[str, Any]):
    """A `response_format` for a server's address: huggingface_hub would bring it into a form that only TGI had."""

    def get(self, key: str, default: Any = None) -> Any:
        """Nothing, by which it isn't known for what it is."""
        return default


def client() -> httpx2.AsyncClient:
    """As huggingface_hub makes its own, but HF_HUB_OFFLINE, which is set after a preload, leaves this machine open."""

    async def refuse_offline(request: httpx2.Request) -> None:
        if constants.is_offline_mode() and f"{request.url.host}" not in LOOPBACK:
            raise OfflineModeIsEnabled(f"{request.url.host} can't be asked while HF_HUB_OFFLINE is set")

    async def read_refusal(response: httpx2.Response) -> None:
        if response.is_error:
            await response.aread()

    hooks: Any = {"request": [refuse_offline], "response": [read_refusal]}
    direct = {f"all://{host}": None for host in LOOPBACK}  # not through the environment's proxy
    return httpx2.AsyncClient(event_hooks=hooks, mounts=direct, verify=_trust(), follow_redirects=True, timeout=None)


@functools.cache
def _trust() -> ssl.SSLContext:
    """The authorities that certificates are checked by: reading them takes 50 ms, which each reply would wait for."""
    return httpx2.create_ssl_context()
