"""The whole page of a task, with the API endpoint of the same name."""

from __future__ import annotations

import html
import os
from collections.abc import Callable
from typing import Any

import gradio as gr

from streamspace.config.model import Model
from streamspace.config.types import Config, Page
from streamspace.reply.loader import Loader
from streamspace.repository import is_local
from streamspace.web import api
from streamspace.web.page import theme, visit
from streamspace.web.page.chat import chat
from streamspace.web.page.completion import completion
from streamspace.web.page.events import listener
from streamspace.web.page.gate import Gate
from streamspace.web.page.redacting import RedactingBlocks

HOUR, DAY = 3600, 86_400  # how often uploaded files are looked through, and how old they get, in seconds
Part = Callable[[Loader], list[Any]]
TASKS: dict[str, tuple[Part, Callable[[Loader], object], str]] = {
    "chat": (chat, api.chat, "chat"),
    "completion": (completion, api.complete, "complete"),
    "image-chat": (chat, api.image_chat, "chat"),
}


def build_page(loader: Loader) -> gr.Blocks:
    """The page of the config's task, with the API endpoint of the same name."""
    config = loader.config
    part, endpoint, name = TASKS[config.task]
    with RedactingBlocks(
        Gate(config), title=config.page.title, fill_height=True, analytics_enabled=False, delete_cache=(HOUR, DAY)
    ) as page:
        _heading(config.page)
        told = part(loader)
        _footer(config)
        page.load(
            visit.opened(loader), None, told, show_progress="hidden", api_visibility="private", concurrency_limit=None
        )
        page.load(None, **listener("localize", {}))
        gr.api(endpoint(loader), api_name=name, concurrency_limit=None)  # type: ignore[arg-type]
    # `RequestQueue` decides who waits: it tells each visitor the position, and page and API share it.
    return page.queue(max_size=config.limits.queue, default_concurrency_limit=None)


def _heading(page: Page) -> None:
    with gr.Row(elem_id="top"):
        if page.logo:
            gr.HTML(f'<img src="{theme.logo(page.logo)}" alt="">', elem_id="logo", padding=False)
        gr.Markdown(f"# {page.title}\n\n{page.description}", elem_id="heading")


def _footer(config: Config) -> None:
    gr.HTML(origin(config.model, os.environ.get("SPACE_ID")), elem_id="origin", padding=False)
    if config.page.footer:
        gr.Markdown(config.page.footer, elem_id="footer")


def origin(model: Model, space: str | None) -> str:
    """The model with its licence, and on a Space the links to duplicate it and to its source."""
    name = html.escape(model.id)
    parts = [name if is_local(model.id) else f'<a href="https://huggingface.co/{name}">{name}</a>']
    if model.license:
        parts[0] += f" ({html.escape(model.license)})"
    if space:
        link = f"https://huggingface.co/spaces/{html.escape(space)}"
        parts.append(f'<a href="{link}?duplicate=true" data-text="duplicate"></a>')
        parts.append(f'<a href="{link}/tree/main" data-text="source"></a>')
    return f"<p>{' · '.join(parts)}</p>"
