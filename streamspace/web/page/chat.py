"""The chat page: one queued event a turn, everything else in the browser."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import gradio as gr

from streamspace.engines import reasoning, zerogpu
from streamspace.errors import GpuError, StreamspaceError, redacted_trace, unexpected
from streamspace.i18n import t
from streamspace.reply.loader import Loader
from streamspace.reply.pipeline import Progress, Replies
from streamspace.web.page import bubbles, controls, imagebox, markup, theme
from streamspace.web.page.labels import label, visitor_language

log = logging.getLogger(__name__)
Updates = AsyncGenerator[Any, None]
QUIETLY: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
SHELF = """<nav data-name="conversations"><button data-do="fresh" data-text="new"></button><ul></ul>
<p data-text="kept"></p>
<button data-do="markdown" data-text="markdown"></button><button data-do="json" data-text="json"></button></nav>"""


def chat(loader: Loader) -> list[gr.HTML]:
    """Builds the page's parts and wires them, inside a Blocks context. Returns those that `visit.opened` fills."""
    config = loader.config
    counted = zerogpu.lends(config)  # each reply is paid from the visitor's quota
    with gr.Sidebar(open=False, width=280):
        gr.HTML(SHELF, elem_id="shelf", padding=False)
    bot = gr.Chatbot(
        elem_id="conversation", label=label("conversation"), show_label=False, scale=1, height="60dvh", layout="bubble",
        buttons=["copy"], latex_delimiters=theme.LATEX, allow_tags=False, editable="user",
        examples=[{"text": example} for example in config.page.examples],
    )  # fmt: skip
    model = gr.HTML(elem_id="model", padding=False)
    with gr.Row(elem_id="about"):
        status = gr.HTML(elem_id="status", padding=False)
        resume = gr.Button(label("continue"), size="sm", scale=0, elem_id="continue")
        clear = gr.Button(label("clear"), size="sm", scale=0, elem_id="clear")
    with gr.Row(elem_id="asking"):
        box = (imagebox.box if config.task == "image-chat" else gr.Textbox)(
            placeholder=config.page.placeholder, label=label("message"), show_label=False, container=False,
            lines=1, max_lines=8, scale=1, autofocus=True, elem_id="message",
        )  # fmt: skip
        send = gr.Button(label("send"), variant="primary", scale=0, elem_id="send")
        stop = gr.Button(label("stop"), variant="stop", scale=0, elem_id="stop")
    place = gr.Button(visible="hidden", elem_id="place")
    cost = gr.HTML(elem_id="cost", padding=False, visible=counted)
    with gr.Accordion(label("settings"), open=False, elem_id="settings"):
        system = gr.Textbox(config.system_prompt, label=label("system_prompt"), lines=2, max_lines=8)
        thinking = gr.Checkbox(True, label=label("think_first"), elem_id="thinking")
        knobs = controls.sampling(config.sampling)

    runs: list[Any] = []

    reply = _handler(loader)

    def run(started: Any) -> None:
        """After what happens in the browser, the reply; and the page is idle again however it ends."""
        answering = started.success(
            reply, [bot, system, thinking, *knobs], [bot, status], show_progress="hidden", api_visibility="private",
            concurrency_limit=None, trigger_mode="multiple",
        )  # fmt: skip
        answering.then(None, [bot, status], [bot, status], js="(m, s) => streamspace.idle(m, s)")
        answering.failure(None, [bot, status], [bot, status], js="(m, s) => streamspace.failed(m, s)")
        runs.append(answering)

    sending: dict[str, Any] = {
        "inputs": [box, bot], "outputs": [box, bot, status], "js": "(t, m) => streamspace.send(t, m)",
    }  # fmt: skip
    run(box.submit(None, **sending))
    run(send.click(None, **sending))
    picked = bot.example_select(_picked, None, box, queue=False, api_visibility="private")
    run(picked.success(None, **sending))
    edited = bot.edit(_edited, bot, bot, queue=False, api_visibility="private")
    run(edited.success(None, bot, [bot, status], js="(m) => streamspace.rewind(m)"))
    run(bot.retry(None, bot, [bot, status], js="(m) => streamspace.rewind(m)"))
    run(resume.click(None, bot, [bot, status], js="(m) => streamspace.resume(m)"))
    bot.undo(None, bot, [bot, box, status], js="(m) => streamspace.undo(m)")
    place.click(None, None, [bot, box, status], js="() => streamspace.shelf.opened()")
    _page().load(None, None, bot, js="() => streamspace.shelf.restore()")
    stop.click(None, bot, [bot, status], js="(m) => streamspace.stop(m)", cancels=runs)
    clear.click(None, None, [bot, status], js="() => streamspace.clear()", cancels=runs)
    if counted:
        _show_cost(loader, [bot, box, system, knobs[0]], cost, [box.blur, knobs[0].change, *(run.then for run in runs)])
    return [status, model]


def _handler(loader: Loader) -> Callable[..., Updates]:
    """What answers the visitor's last message; where it has a part of a reply already, that goes on."""

    async def reply(request: gr.Request, messages: list[Any], system: str, thinking: bool, *values: Any) -> Updates:
        earlier, question, begun = bubbles.last_exchange(messages)
        images = imagebox.files(messages, earlier)
        replies = loader.chat(question, earlier, system, thinking, begun, images, **controls.asked(values))
        async with aclosing(_shown(replies, messages[: len(earlier) + 1], visitor_language(request))) as updates:
            async for update in updates:
                yield update

    return reply


class Stopwatch:
    """Measures how long a reply's thoughts take."""

    def __init__(self) -> None:
        self._began = self._took = 0.0

    def seconds(self, progress: Progress) -> float:
        """Seconds from the thoughts' first token to their last, by the time of asking."""
        if progress.tokens and not self._began:
            self._began = time.monotonic()
        if progress.tokens and reasoning.split(progress.text).thinking:
            self._took = time.monotonic() - self._began
        return self._took


async def _shown(replies: Replies, before: list[Any], language: str) -> Updates:
    """The chatbot's value and the line of status for each step of a reply; a problem is shown where it would be."""
    shown, thinking = Progress(), Stopwatch()
    try:
        async with aclosing(replies):
            async for progress in replies:
                changed, shown = progress != shown, progress
                reply = bubbles.messages(shown, thinking.seconds(shown), language)
                yield ([*before, *reply], bubbles.status(shown, language)) if changed else gr.skip()
    except StreamspaceError as error:
        kept = bubbles.line("", more=isinstance(error, GpuError) and bool(shown.text))
        yield [*before, *bubbles.messages(shown, language=language), bubbles.failure(error.in_language(language))], kept
    except Exception as error:
        log.error("A reply failed: %s", redacted_trace(error))
        yield (
            [*before, *bubbles.messages(shown, language=language), bubbles.failure(unexpected().in_language(language))],
            "",
        )


def _show_cost(loader: Loader, inputs: list[Any], cost: Any, events: list[Any]) -> None:
    """The GPU seconds that the next message will ask for, whenever what they depend on has changed."""

    async def seconds(request: gr.Request, messages: list[Any], box: Any, system: str, new_tokens: float) -> str:
        text, images = imagebox.asked(box)
        asked = await loader.cost(text, messages, system, new_tokens, images)
        return bubbles.line(t("status.cost", seconds=asked).in_language(visitor_language(request))) if asked else ""

    for event in (_page().load, *events):
        event(seconds, inputs, cost, queue=False, **QUIETLY)


def _page() -> gr.Blocks:
    """The Blocks that is being built."""
    page = gr.context.Context.root_block
    assert page is not None
    return page


def _edited(messages: list[Any], edit: gr.EditData) -> list[Any]:
    """The conversation up to a message of the visitor's that was changed, with the change."""
    index = edit.index if isinstance(edit.index, int) else edit.index[0]
    message = bubbles.text(markup.shown(markup.written(str(edit.value))), role="user")
    return [*messages[:index], message]


def _picked(choice: gr.SelectData) -> str:
    text: str = choice.value["text"]
    return text
