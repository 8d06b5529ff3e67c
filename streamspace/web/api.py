"""The named API endpoints; each streams the reply's whole text so far, as `gradio_client` expects."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import gradio as gr

from streamspace.errors import told
from streamspace.reply.loader import Loader
from streamspace.reply.progress import Replies
from streamspace.reply.request import ChatRequest, CompletionRequest
from streamspace.sampling import PARAMETERS, Parameter
from streamspace.web import access

Texts = AsyncGenerator[str, None]
Endpoint = Callable[..., Texts]
Types = dict[str, Any]  # what a function's annotations are to Gradio


def _optional(parameter: Parameter) -> Any:
    return int | None if parameter.is_int else float | None


SAMPLING: Types = {each.name: _optional(each) for each in PARAMETERS if not each.appended} | {"seed": int | None}
APPENDED: Types = {each.name: _optional(each) for each in PARAMETERS if each.appended}
CONVERSATION: Types = {"history": list[dict[str, Any]] | None, "system_prompt": str | None}
CHAT: Types = {"message": str, **CONVERSATION, **SAMPLING, "thinking": bool | str | None}


def chat(loader: Loader) -> Endpoint:
    """The endpoint /chat of this loader."""
    description = (
        'Reply to a message that comes after a history of {"role", "content"} messages; streams the text so far. '
        "Whatever the model writes, its thoughts come first, between <think> and </think>, each on a line of its own, "
        "then an empty line and the answer; a tool call between <tool_call> and </tool_call>. Such a text can be sent "
        "back in the history: its thoughts are left out. `thinking` is true, false, or a level that the model has, "
        'such as "low".'
    )
    types = {**CHAT, **APPENDED}
    return _endpoint("chat", description, types, loader, lambda values: loader.chat(ChatRequest(**values)))


def image_chat(loader: Loader) -> Endpoint:
    """The endpoint /chat of a model that reads images."""
    description = "Reply to a message and the images that come with it, uploaded files; otherwise as without images."
    types = {**CHAT, "images": list[gr.FileData] | None, **APPENDED}
    return _endpoint("chat", description, types, loader, lambda values: loader.chat(ChatRequest(**values)))


def complete(loader: Loader) -> Endpoint:
    """The endpoint /complete of this loader."""
    description = "Continue a text; streams the continuation so far."
    types = {"prompt": str, **SAMPLING, **APPENDED}
    return _endpoint(
        "complete", description, types, loader, lambda values: loader.complete(CompletionRequest(**values))
    )


def _endpoint(
    name: str, description: str, types: Types, loader: Loader, start: Callable[[dict[str, Any]], Replies]
) -> Endpoint:
    """A function with these parameters, of which the first is required, that streams what `start` does with them.

    Gradio gives it the request too, by that parameter's type.
    """
    types = {**types, "request": gr.Request}
    signature = _signature(types)

    async def endpoint(*values: object, **named: object) -> Texts:
        given = signature.bind(*values, **named).arguments
        sampling = {name: given.pop(name) for name in (*SAMPLING, *APPENDED) if name in given}
        caller = access.admit("gradio", given.pop("request"), loader)
        async with aclosing(_texts(start({**given, "sampling": sampling, "caller": caller}))) as texts:
            async for text in texts:
                yield text

    endpoint.__name__, endpoint.__doc__ = name, description
    endpoint.__annotations__ = {**types, "return": Texts}
    endpoint.__signature__ = signature  # type: ignore[attr-defined]
    return endpoint


def _signature(types: Types) -> inspect.Signature:
    kind, (required, *_) = inspect.Parameter.POSITIONAL_OR_KEYWORD, types
    empty = inspect.Parameter.empty
    parameters = [
        inspect.Parameter(name, kind, annotation=type_, default=empty if name == required else None)
        for name, type_ in types.items()
    ]
    return inspect.Signature(parameters, return_annotation=Texts)


async def _texts(replies: Replies) -> Texts:
    """The text of each step; a problem as an error that the client reads word for word."""
    try:
        async with aclosing(replies):
            async for progress in replies:
                yield progress.text
    except Exception as error:
        raise gr.Error(str(told(error)), print_exception=False) from error
