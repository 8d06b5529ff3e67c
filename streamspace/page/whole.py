"""The page: built from a config and a writer, or from the reason why there is none."""

from __future__ import annotations

import html
from collections.abc import Callable

import gradio as gr

from streamspace import api
from streamspace.config import Config, Page
from streamspace.page.chat import chat
from streamspace.page.completion import completion
from streamspace.reply import Writer

Part = Callable[[Writer], None]
TASKS: dict[str, tuple[Part, Callable[[Writer], object], str]] = {
    "chat": (chat, api.chat, "chat"),
    "completion": (completion, api.complete, "complete"),
}


def build(writer: Writer) -> gr.Blocks:
    """The page of the config's task, with the API endpoint of the same name: one queue and one limit for both."""
    config = writer.config
    part, endpoint, name = TASKS[config.task]
    with gr.Blocks(title=config.page.title, fill_height=True, analytics_enabled=False) as page:
        _heading(config.page)
        part(writer)
        gr.api(endpoint(writer), api_name=name, concurrency_id="model", concurrency_limit=writer.at_once)  # type: ignore[arg-type]
    return page.queue(max_size=config.limits.queue, default_concurrency_limit=writer.at_once)


def diagnosis(config: Config, problem: str) -> gr.Blocks:
    """The page when there is no model to talk to: which, why, and what its owner does next."""
    with gr.Blocks(title=config.page.title, analytics_enabled=False) as page:
        _heading(config.page)
        gr.HTML(
            f'<div id="diagnosis" role="alert"><h2>The model could not be loaded</h2><p>{html.escape(problem)}.</p>'
            "<p>This is for the owner of the Space: mend it, restart the Space, and the page comes back.</p></div>"
        )
    return page


def _heading(page: Page) -> None:
    gr.Markdown(f"# {page.title}\n\n{page.description}", elem_id="heading")
