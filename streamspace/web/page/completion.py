"""The completion page: a text, and how a base model continues it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from typing import Any

import gradio as gr

from streamspace.config.types import Config
from streamspace.errors import StreamspaceError
from streamspace.reply.loader import Loader
from streamspace.reply.progress import Progress
from streamspace.reply.request import CompletionRequest
from streamspace.web.page import bubbles, controls
from streamspace.web.page.events import listener
from streamspace.web.page.labels import label, visitor, visitor_language
from streamspace.web.page.updates import Updates, updates


def completion(loader: Loader) -> list[gr.HTML]:
    """Builds the page's parts and wires them, inside a Blocks context. Returns those that `visit.opened` fills."""
    parts = _layout(loader.config)
    event = partial(listener, parts=parts)
    run = parts["send"].click(None, **event("startText")).success(
        _handler(loader), [parts["text"], *parts["settings"]], [parts["continuation"], parts["status"]],
        show_progress="hidden", api_visibility="private", concurrency_limit=None, trigger_mode="multiple",
    )  # fmt: skip
    run.then(None, **event("finishText"))
    run.failure(None, **event("finishText"))
    parts["stop"].click(None, **event("stopText"), cancels=run)
    parts["clear"].click(None, **event("clearText"), cancels=run)
    return [parts["status"], parts["model"]]


def _layout(config: Config) -> dict[str, Any]:
    """The components from top to bottom, by the names that `events` has for them."""
    text = gr.Textbox(
        label=label("text"), placeholder=config.page.placeholder, lines=6, max_lines=16, autofocus=True,
        elem_id="message",
    )  # fmt: skip
    parts: dict[str, Any] = {"text": text}
    with gr.Row(elem_id="input-row"):
        parts["send"] = gr.Button(label("generate"), variant="primary", elem_id="send")
        parts["stop"] = gr.Button(label("stop"), variant="stop", elem_id="stop")
        parts["clear"] = gr.Button(label("clear"), elem_id="clear")
    parts["continuation"] = gr.Textbox(
        label=label("continuation"), lines=8, max_lines=24, interactive=False, buttons=["copy"], elem_id="continuation"
    )
    parts["model"] = gr.HTML(elem_id="model", padding=False)
    parts["status"] = gr.HTML(elem_id="status", padding=False)
    if examples := [[example] for example in config.page.examples]:
        gr.Examples(examples, text, label=label("examples"), api_visibility="private")
    with gr.Accordion(label("settings"), open=False, elem_id="settings"):
        parts["settings"] = controls.sampling(config.sampling)
    return parts


def _handler(loader: Loader) -> Callable[..., Updates]:
    """Continues the visitor's text."""

    async def reply(request: gr.Request, text: str, *values: Any) -> Updates:
        language = visitor_language(request)

        def show(progress: Progress, error: StreamspaceError | None) -> tuple[str, str]:
            status = bubbles.status(progress, language)
            return progress.text, bubbles.problem(error.in_language(language)) if error else status

        async with aclosing(
            updates(loader.complete(CompletionRequest(text, controls.asked(values), visitor(request))), show)
        ) as shown:
            async for update in shown:
                yield update

    return reply
