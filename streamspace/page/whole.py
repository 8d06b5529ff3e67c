"""The whole page of a task, with the API endpoint of the same name."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr

from streamspace import api
from streamspace.config import Page
from streamspace.opening import Opening
from streamspace.page.chat import chat
from streamspace.page.completion import completion
from streamspace.page.uploads import OwnFiles

HOUR, DAY = 3600, 86_400  # how often uploaded files are looked through, and how old they get, in seconds
Part = Callable[[Opening], None]
TASKS: dict[str, tuple[Part, Callable[[Opening], object], str]] = {
    "chat": (chat, api.chat, "chat"),
    "completion": (completion, api.complete, "complete"),
    "image-chat": (chat, api.image_chat, "chat"),
}


def build(writer: Opening) -> gr.Blocks:
    """The page of the config's task, with the API endpoint of the same name: one queue and one limit for both."""
    config = writer.config
    part, endpoint, name = TASKS[config.task]
    with OwnFiles(
        title=config.page.title, fill_height=True, analytics_enabled=False, delete_cache=(HOUR, DAY)
    ) as page:
        _heading(config.page)
        part(writer)
        gr.api(endpoint(writer), api_name=name, concurrency_id="model", concurrency_limit=config.limits.concurrency)  # type: ignore[arg-type]
    return page.queue(max_size=config.limits.queue, default_concurrency_limit=config.limits.concurrency)


def _heading(page: Page) -> None:
    gr.Markdown(f"# {page.title}\n\n{page.description}", elem_id="heading")
