"""The whole page of a task, with the API endpoint of the same name: the browser's modules in static/ draw it."""

from __future__ import annotations

import importlib.util
import sys

import gradio as gr

from streamspace.reply.loader import Loader
from streamspace.web import api
from streamspace.web.page import channels
from streamspace.web.page.gate import Gate
from streamspace.web.page.redacting import RedactingBlocks

CALLS = 10_000  # that Gradio may hold, those that run and those that it hasn't begun, which takes it a moment
HOUR, DAY = 3600, 86_400  # how often uploaded files are looked through, and how old they get, in seconds
ENDPOINTS = {
    "chat": (api.chat, "chat"),
    "completion": (api.complete, "complete"),
    "image-chat": (api.image_chat, "chat"),
}
LOOK = 0.01  # seconds between Gradio's looks for a call: each disturbs the model, and its own are a thousand a second


def build_page(loader: Loader) -> gr.Blocks:
    """The page of the config's task, with the API endpoint of the same name."""
    config = loader.config
    endpoint, name = ENDPOINTS[config.task]
    settings = {"title": config.page.title, "analytics_enabled": False, "delete_cache": (HOUR, DAY)}
    with RedactingBlocks(Gate(config), **settings) as page:
        channels.open_(loader, page)
        gr.api(endpoint(loader), api_name=name, concurrency_limit=None)  # type: ignore[arg-type]
    # `RequestQueue` decides who waits: it tells each visitor the position, and all doors share it.
    # Past Gradio's queue a call gets the first step of a reply alone, which has no text. On a Space that way is closed.
    page.queue(max_size=CALLS, default_concurrency_limit=None, api_open=False)
    page._queue.sleep_when_free = LOOK
    search_once("matplotlib")  # Gradio imports it, if it can, before and after each step of a reply
    return page


def search_once(package: str) -> None:
    """Lets the import of a package fail at once if it isn't installed; Python would search all folders each time."""
    if not importlib.util.find_spec(package):
        sys.modules[package] = None  # type: ignore[assignment]
