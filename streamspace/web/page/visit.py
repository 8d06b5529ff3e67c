"""Shows, when the page opens, how far the model has loaded, then its abilities or why it can't be loaded."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any

import gradio as gr

from streamspace.errors import StreamspaceError
from streamspace.i18n import t
from streamspace.reply.loader import Loader
from streamspace.reply.pipeline import Pipeline
from streamspace.reply.progress import Progress
from streamspace.web.page import bubbles
from streamspace.web.page.labels import visitor_language


def opened(loader: Loader) -> Callable[[gr.Request], AsyncGenerator[Any, None]]:
    """The handler of the page's load event: the values of the status line, the part about the model, and thinking."""
    chats = loader.config.task != "completion"

    async def opened(request: gr.Request) -> AsyncGenerator[Any, None]:
        language = visitor_language(request)
        try:
            async for note in loader.until_ready():
                yield values(bubbles.status(Progress(phase="loading", note=note), language), gr.skip(), gr.skip())
        except StreamspaceError as error:
            yield values("", bubbles.diagnosis(error.in_language(language), loader.background, language), gr.skip())
            return
        assert loader.pipeline
        thinking = loader.pipeline.builder.thinking
        # The styles show the choices: a component that Gradio makes visible would reset its neighbours' values.
        shown = f'<span data-thinks="{" ".join(thinking.choices)}"></span>' if thinking.choices else ""
        yield values("", shown + reduced(loader.pipeline, language), thinking.default or gr.skip())

    def values(*all_: Any) -> tuple[Any, ...]:
        return all_ if chats else all_[:2]

    return opened


def reduced(pipeline: Pipeline, language: str) -> str:
    """A line where the model takes less than the config asks for."""
    fit = pipeline.fit
    if not fit or not fit.problem:
        return ""
    return bubbles.line(t("status.window", window=fit.window, prompt=fit.prompt, reply=fit.max).in_language(language))
