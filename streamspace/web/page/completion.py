"""The completion page: a text, and how a base model goes on from it."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import gradio as gr

from streamspace.errors import StreamspaceError, redacted_trace, unexpected
from streamspace.reply.loader import Loader
from streamspace.reply.pipeline import Progress
from streamspace.web.page import bubbles, controls
from streamspace.web.page.labels import label, visitor_language

log = logging.getLogger(__name__)


def completion(loader: Loader) -> list[gr.HTML]:
    """Builds the page's parts and wires them, inside a Blocks context. Returns those that `visit.opened` fills."""
    config = loader.config
    prompt = gr.Textbox(
        label=label("text"),
        placeholder=config.page.placeholder,
        lines=6,
        max_lines=16,
        autofocus=True,
        elem_id="message",
    )
    with gr.Row(elem_id="asking"):
        send = gr.Button(label("generate"), variant="primary", elem_id="send")
        stop = gr.Button(label("stop"), variant="stop", elem_id="stop")
        clear = gr.Button(label("clear"), elem_id="clear")
    output = gr.Textbox(
        label=label("continuation"), lines=8, max_lines=24, interactive=False, buttons=["copy"], elem_id="continuation"
    )
    model = gr.HTML(elem_id="model", padding=False)
    status = gr.HTML(elem_id="status", padding=False)
    if config.page.examples:
        gr.Examples(
            [[example] for example in config.page.examples], prompt, label=label("beginnings"), api_visibility="private"
        )
    with gr.Accordion(label("settings"), open=False, elem_id="settings"):
        knobs = controls.sampling(config.sampling)

    async def reply(request: gr.Request, text: str, *values: Any) -> AsyncGenerator[Any, None]:
        language = visitor_language(request)
        shown = Progress()
        try:
            async with aclosing(loader.complete(text, **controls.asked(values))) as replies:
                async for progress in replies:
                    changed, shown = progress != shown, progress
                    yield (shown.text, bubbles.status(shown, language)) if changed else gr.skip()
        except StreamspaceError as error:
            yield shown.text, bubbles.problem(error.in_language(language))
        except Exception as error:
            log.error("A reply failed: %s", redacted_trace(error))
            yield shown.text, bubbles.problem(unexpected().in_language(language))

    run = send.click(None, prompt, status, js="(t) => streamspace.start(t)").success(
        reply, [prompt, *knobs], [output, status], show_progress="hidden", api_visibility="private",
        concurrency_limit=None, trigger_mode="multiple",
    )  # fmt: skip
    run.then(None, js="() => streamspace.idle()")
    run.failure(None, None, output, js="() => streamspace.idle()")
    stop.click(None, None, status, js="() => streamspace.stopText()", cancels=run)
    clear.click(None, None, [prompt, output, status], js="() => streamspace.clearText()", cancels=run)
    return [status, model]
