"""The named API endpoints; each streams the reply's whole text so far, as `gradio_client` expects."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import gradio as gr

from streamspace.errors import StreamspaceError, redacted_trace, unexpected
from streamspace.reply.loader import Loader
from streamspace.reply.pipeline import Replies

log = logging.getLogger(__name__)


def chat(loader: Loader) -> Any:
    """The endpoint /chat of this loader."""

    async def chat(
        message: str,
        history: list[dict[str, Any]] | None = None,
        system_prompt: str | None = None,
        max_new_tokens: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        top_k: int | None = None,
        repetition_penalty: float | None = None,
        seed: int | None = None,
        thinking: bool = True,
    ) -> AsyncGenerator[str, None]:
        """Reply to a message that comes after a history of {"role", "content"} messages; streams the text so far."""
        replies = loader.chat(
            message, history, system_prompt, thinking, max_new_tokens=max_new_tokens, temperature=temperature,
            top_p=top_p, top_k=top_k, repetition_penalty=repetition_penalty, seed=seed,
        )  # fmt: skip
        async with aclosing(_texts(replies)) as texts:
            async for text in texts:
                yield text

    return chat


def image_chat(loader: Loader) -> Any:
    """The endpoint /chat of a model that reads images."""

    async def chat(
        message: str,
        history: list[dict[str, Any]] | None = None,
        system_prompt: str | None = None,
        max_new_tokens: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        top_k: int | None = None,
        repetition_penalty: float | None = None,
        seed: int | None = None,
        thinking: bool = True,
        images: list[gr.FileData] | None = None,
    ) -> AsyncGenerator[str, None]:
        """Reply to a message and the images that come with it, uploaded files; otherwise as without images."""
        replies = loader.chat(
            message, history, system_prompt, thinking, images=images, max_new_tokens=max_new_tokens,
            temperature=temperature, top_p=top_p, top_k=top_k, repetition_penalty=repetition_penalty, seed=seed,
        )  # fmt: skip
        async with aclosing(_texts(replies)) as texts:
            async for text in texts:
                yield text

    return chat


def complete(loader: Loader) -> Any:
    """The endpoint /complete of this loader."""

    async def complete(
        prompt: str,
        max_new_tokens: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        top_k: int | None = None,
        repetition_penalty: float | None = None,
        seed: int | None = None,
    ) -> AsyncGenerator[str, None]:
        """Continue a text; streams the continuation so far."""
        replies = loader.complete(
            prompt, max_new_tokens=max_new_tokens, temperature=temperature,
            top_p=top_p, top_k=top_k, repetition_penalty=repetition_penalty, seed=seed,
        )  # fmt: skip
        async with aclosing(_texts(replies)) as texts:
            async for text in texts:
                yield text

    return complete


async def _texts(replies: Replies) -> AsyncGenerator[str, None]:
    """The text of each step; a problem as an error that the client reads word for word."""
    try:
        async with aclosing(replies):
            async for progress in replies:
                yield progress.text
    except StreamspaceError as error:
        raise gr.Error(str(error), print_exception=False) from error
    except Exception as error:
        log.error("A reply failed: %s", redacted_trace(error))
        raise gr.Error(unexpected(), print_exception=False) from error
