"""How a model's server is asked over HTTP: at an address, or by huggingface_hub, which knows the ways to providers."""

from __future__ import annotations

import functools
import json
import ssl
from collections.abc import AsyncGenerator
from typing import Any

import httpx2  # huggingface_hub's
from huggingface_hub import AsyncInferenceClient, constants
from huggingface_hub.errors import OfflineModeIsEnabled
from huggingface_hub.utils import hf_raise_for_status

NO_KEY = "none"  # without a key huggingface_hub would send the machine's own Hub token
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class Told(dict[str, Any]):
    """What a server tells, read as huggingface_hub's own values are: by `told.name`, which is None where it isn't."""

    def __getattr__(self, name: str) -> Any:
        return self.get(name)


async def chunks(url: str, key: str | None, asked: dict[str, Any], silence: float) -> AsyncGenerator[Told, None]:
    """The chunks of a reply from the server at an address. Raises httpx2's errors, HfHubHTTPError and ValueError.

    huggingface_hub could do it, for 0.35 ms of a core instead of 0.24 for each chunk, and would change a JSON schema.
    """
    fields = {**asked, **(asked["extra_body"] or {}), "extra_body": None, "stream": True}
    body = {name: value for name, value in fields.items() if value is not None}
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    at = f"{url.rstrip('/').removesuffix('/chat/completions').removesuffix('/v1')}/v1/chat/completions"
    async with client() as server, server.stream("POST", at, json=body, headers=headers, timeout=silence) as answer:
        hf_raise_for_status(answer)
        async for line in answer.aiter_lines():
            if not line.startswith("data:"):
                continue
            if (data := line.removeprefix("data:").strip()) == "[DONE]":
                return
            told = json.loads(data, object_hook=Told)
            if told.error:
                raise ValueError("the server tells an error in its reply")
            yield told


async def provider_chunks(
    provider: str, key: str | None, asked: dict[str, Any], silence: float
) -> AsyncGenerator[Any, None]:
    """The same from an Inference Provider. Raises what `chunks` does, and huggingface_hub's own errors."""
    told: Any = provider
    async with AsyncInferenceClient(provider=told, token=key or NO_KEY, timeout=silence) as hub:
        async for chunk in await hub.chat_completion(**asked, stream=True):
            yield chunk


def client() -> httpx2.AsyncClient:
    """As huggingface_hub makes its own, but HF_HUB_OFFLINE, which is set after a preload, leaves this machine open."""

    async def refuse_offline(request: httpx2.Request) -> None:
        if constants.is_offline_mode() and f"{request.url.host}" not in LOOPBACK:
            raise OfflineModeIsEnabled(f"{request.url.host} can't be asked while HF_HUB_OFFLINE is set")

    async def prepare(response: httpx2.Response) -> None:
        if response.is_error:
            await response.aread()
        response.aiter_lines = functools.partial(_lines, response)  # type: ignore[method-assign]

    hooks: Any = {"request": [refuse_offline], "response": [prepare]}
    direct = {f"all://{host}": None for host in LOOPBACK}  # not through the environment's proxy
    return httpx2.AsyncClient(event_hooks=hooks, mounts=direct, verify=_trust(), follow_redirects=True, timeout=None)


async def _lines(response: httpx2.Response) -> AsyncGenerator[str, None]:
    """The lines of a stream of events. httpx2's own end at U+2028 as well, which JSON has in a text as it is."""
    rest = b""
    async for piece in response.aiter_bytes():
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line.decode("utf-8", "replace")
    yield rest.decode("utf-8", "replace")


@functools.cache
def _trust() -> ssl.SSLContext:
    """The authorities that certificates are checked by: reading them takes 50 ms, which each reply would wait for."""
    return httpx2.create_ssl_context()
