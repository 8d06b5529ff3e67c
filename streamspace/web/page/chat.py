"""The chat page: its layout, its events, and the handler that streams a reply into the chatbot."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from typing import Any

import gradio as gr

from streamspace.config.types import Config
from streamspace.engines import zerogpu
from streamspace.errors import GpuError, StreamspaceError
from streamspace.i18n import t
from streamspace.reply.loader import Loader
from streamspace.reply.progress import Progress
from streamspace.reply.request import ChatRequest
from streamspace.web.page import bubbles, controls, imagebox, markup, theme
from streamspace.web.page.events import listener
from streamspace.web.page.labels import label, visitor, visitor_language
from streamspace.web.page.updates import Show, Stopwatch, Updates, updates

PRIVATE: dict[str, Any] = {"queue": False, "api_visibility": "private"}
CONVERSATIONS = """<nav data-name="conversations"><button data-action="create" data-text="new"></button><ul></ul>
<p data-text="stored"></p><button data-action="markdown" data-text="markdown"></button>
<button data-action="json" data-text="json"></button></nav>"""


def chat(loader: Loader) -> list[Any]:
    """Builds the page's parts and wires them, inside a Blocks context. Returns those that `visit.opened` fills."""
    parts = _layout(loader.config)
    runs = [_run(loader, parts, start) for start in _starts(parts)]
    _wire(parts, runs)
    if zerogpu.lends(loader.config):  # each reply is paid from the visitor's quota
        _show_cost(loader, parts, runs)
    return [parts["status"], parts["model"], parts["settings"][1]]


def _layout(config: Config) -> dict[str, Any]:
    """The components from top to bottom, by the names that `events` has for them."""
    with gr.Sidebar(open=False, width=280):
        gr.HTML(CONVERSATIONS, elem_id="conversations", padding=False)
    parts: dict[str, Any] = {"messages": _chatbot(config), "model": gr.HTML(elem_id="model", padding=False)}
    with gr.Row(elem_id="status-row"):
        parts["status"] = gr.HTML(elem_id="status", padding=False)
        parts["continue"] = gr.Button(label("continue"), size="sm", scale=0, elem_id="continue")
        parts["clear"] = gr.Button(label("clear"), size="sm", scale=0, elem_id="clear")
    with gr.Row(elem_id="input-row"):
        parts["box"] = _box(config)
        parts["send"] = gr.Button(label("send"), variant="primary", scale=0, elem_id="send")
        parts["stop"] = gr.Button(label("stop"), variant="stop", scale=0, elem_id="stop")
    parts["open"] = gr.Button(visible="hidden", elem_id="open-conversation")  # pressed by conversations.js
    parts["cost"] = gr.HTML(elem_id="cost", padding=False, visible=zerogpu.lends(config))
    with gr.Accordion(label("settings"), open=False, elem_id="settings"):
        system = gr.Textbox(config.system_prompt, label=label("system_prompt"), lines=2, max_lines=8)
        parts["settings"] = [system, controls.thinking(config.thinking), *controls.sampling(config.sampling)]
    return parts


def _chatbot(config: Config) -> gr.Chatbot:
    return gr.Chatbot(
        elem_id="conversation", label=label("conversation"), show_label=False, scale=1, height="60dvh", layout="bubble",
        buttons=["copy"], latex_delimiters=theme.LATEX, allow_tags=False, editable="user",
        examples=[{"text": example} for example in config.page.examples],
    )  # fmt: skip


def _box(config: Config) -> Any:
    return (imagebox.box if config.task == "image-chat" else gr.Textbox)(
        placeholder=config.page.placeholder, label=label("message"), show_label=False, container=False,
        lines=1, max_lines=8, scale=1, autofocus=True, elem_id="message",
    )  # fmt: skip


def _starts(parts: dict[str, Any]) -> list[Any]:
    """The events after which the last message is answered, or its reply continued."""
    messages, box, event = parts["messages"], parts["box"], partial(listener, parts=parts)
    return [
        box.submit(None, **event("send")),
        parts["send"].click(None, **event("send")),
        messages.example_select(_picked, None, box, **PRIVATE).success(None, **event("send")),
        messages.edit(_edited, messages, messages, **PRIVATE).success(None, **event("rewind")),
        messages.retry(None, **event("rewind")),
        parts["continue"].click(None, **event("resume")),
    ]


def _run(loader: Loader, parts: dict[str, Any], start: Any) -> Any:
    """The event of a reply, after one of `_starts`; however it ends, the page is idle again."""
    run = start.success(
        _handler(loader), [parts["messages"], *parts["settings"]], [parts["messages"], parts["status"]],
        show_progress="hidden", api_visibility="private", concurrency_limit=None, trigger_mode="multiple",
    )  # fmt: skip
    run.then(None, **listener("finish", parts))
    run.failure(None, **listener("fail", parts))
    return run


def _wire(parts: dict[str, Any], runs: list[Any]) -> None:
    """The events that ask for no reply; two of them cancel the `runs`."""
    event = partial(listener, parts=parts)
    parts["messages"].undo(None, **event("undo"))
    parts["stop"].click(None, **event("stop"), cancels=runs)
    parts["clear"].click(None, **event("clear"), cancels=runs)
    parts["open"].click(None, **event("open"))
    _page().load(None, **event("restore"))


def _handler(loader: Loader) -> Callable[..., Updates]:
    """Answers the visitor's last message; a reply that has begun is continued."""

    async def reply(request: gr.Request, messages: list[Any], system: str, thinking: Any, *values: Any) -> Updates:
        earlier, question, begun = bubbles.last_exchange(messages)
        images = imagebox.files(messages, earlier)
        chat = ChatRequest(question, earlier, system, thinking, begun, images, controls.asked(values), visitor(request))
        show = _show(messages[: len(earlier) + 1], visitor_language(request))
        async with aclosing(updates(loader.chat(chat), show)) as shown:
            async for update in shown:
                yield update

    return reply


def _show(before: list[Any], language: str) -> Show:
    """The chatbot's value and the status line for a step of the reply that comes after the messages `before`."""
    stopwatch = Stopwatch()

    def show(progress: Progress, error: StreamspaceError | None) -> tuple[list[Any], str]:
        messages = [*before, *bubbles.messages(progress, stopwatch.seconds(progress), language)]
        if error is None:
            return messages, bubbles.status(progress, language)
        more = isinstance(error, GpuError) and bool(progress.parts)
        return [*messages, bubbles.failure(error.in_language(language))], bubbles.line("", more)

    return show


def _show_cost(loader: Loader, parts: dict[str, Any], runs: list[Any]) -> None:
    """Shows the GPU seconds that the next message will ask for, whenever what they depend on has changed."""
    messages, box, (system, _, new_tokens, *_) = parts["messages"], parts["box"], parts["settings"]

    async def seconds(request: gr.Request, messages: list[Any], box: Any, system: str, new_tokens: float) -> str:
        text, images = imagebox.content(box)
        chat = ChatRequest(text, messages, system, images=images, sampling={"max_new_tokens": new_tokens})
        asked = await loader.cost(chat)
        return bubbles.line(t("status.cost", seconds=asked).in_language(visitor_language(request))) if asked else ""

    for event in (_page().load, box.blur, new_tokens.change, *(run.then for run in runs)):
        event(seconds, [messages, box, system, new_tokens], parts["cost"], show_progress="hidden", **PRIVATE)


def _page() -> gr.Blocks:
    """The Blocks that is being built."""
    page = gr.context.Context.root_block
    assert page is not None
    return page


def _edited(messages: list[Any], edit: gr.EditData) -> list[Any]:
    """The conversation up to the message that the visitor edited, with the edit."""
    index = edit.index if isinstance(edit.index, int) else edit.index[0]
    message = bubbles.text(markup.escape(markup.unescape(str(edit.value))), role="user")
    return [*messages[:index], message]


def _picked(choice: gr.SelectData) -> str:
    """The text of the example that the visitor pressed."""
    text: str = choice.value["text"]
    return text
