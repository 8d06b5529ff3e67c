"""The chat page: one queued event a turn, everything else in the browser."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import gradio as gr

from streamspace.errors import UNEXPECTED, StreamspaceError
from streamspace.page import bubbles, controls, look
from streamspace.reply import Progress, Writer

log = logging.getLogger(__name__)


def chat(writer: Writer) -> None:
    """Builds the page's parts and wires them, inside a Blocks context."""
    config = writer.config
    bot = gr.Chatbot(
        elem_id="conversation", label="Conversation", show_label=False, scale=1, height="60dvh", layout="bubble",
        buttons=["copy"], latex_delimiters=look.LATEX, allow_tags=False,
        examples=[{"text": example} for example in config.page.examples],
    )  # fmt: skip
    with gr.Row(elem_id="about"):
        status = gr.HTML(elem_id="status", padding=False)
        clear = gr.Button("Clear", size="sm", scale=0, elem_id="clear")
    with gr.Row(elem_id="asking"):
        box = gr.Textbox(
            placeholder=config.page.placeholder, label="Message", show_label=False, container=False,
            lines=1, max_lines=8, scale=1, autofocus=True, elem_id="message",
        )  # fmt: skip
        send = gr.Button("Send", variant="primary", scale=0, elem_id="send")
        stop = gr.Button("Stop", variant="stop", scale=0, elem_id="stop")
    with gr.Accordion("Settings", open=False, elem_id="settings"):
        system = gr.Textbox(config.system_prompt, label="System prompt", lines=2, max_lines=8)
        thinking = gr.Checkbox(True, label="Think first", visible=writer.encoder.can_think)
        knobs = controls.sampling(config.sampling)

    async def reply(messages: list[Any], system: str, thinking: bool, *values: Any) -> AsyncGenerator[Any, None]:
        earlier, shown = messages[:-1], Progress()
        try:
            question = bubbles.content(messages[-1])
            asked = controls.asked(values)
            async with aclosing(writer.chat(question, earlier, system, thinking, **asked)) as replies:
                async for progress in replies:
                    changed, shown = progress != shown, progress
                    yield ([*messages, *bubbles.messages(shown)], bubbles.status(shown)) if changed else gr.skip()
        except StreamspaceError as error:
            yield [*messages, *bubbles.messages(shown), bubbles.failure(str(error))], ""
        except Exception:
            log.exception("A reply failed")
            yield [*messages, *bubbles.messages(shown), bubbles.failure(UNEXPECTED)], ""

    runs = []

    def answer(started: Any) -> None:
        run = started.success(
            reply, [bot, system, thinking, *knobs], [bot, status], show_progress="hidden", api_visibility="private",
            concurrency_id="model", concurrency_limit=writer.at_once, trigger_mode="multiple",
        )  # fmt: skip
        run.then(None, js="() => streamspace.idle()")
        run.failure(None, None, bot, js="() => streamspace.idle()")
        runs.append(run)

    sending: dict[str, Any] = {
        "inputs": [box, bot],
        "outputs": [box, bot, status],
        "js": "(t, m) => streamspace.send(t, m)",
    }
    answer(box.submit(None, **sending))
    answer(send.click(None, **sending))
    answer(bot.example_select(_picked, None, box, queue=False, api_visibility="private").success(None, **sending))
    answer(bot.retry(None, [bot], [bot, status], js="(m) => streamspace.rewind(m)"))
    stop.click(None, [bot], [bot, status], js="(m) => streamspace.stop(m)", cancels=runs)
    clear.click(None, None, [bot, status], js="() => streamspace.clear()", cancels=runs)
    bot.clear(None, None, [bot, status], js="() => streamspace.clear()", cancels=runs)


def _picked(choice: gr.SelectData) -> str:
    text: str = choice.value["text"]
    return text
