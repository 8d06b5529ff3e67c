"""Shows, when the page opens, how far the model has loaded, then its abilities or why it can't be loaded."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any

import gradio as gr

from streamspace.errors import StreamspaceError
from streamspace.reply.loader import Loader
from streamspace.reply.pipeline import Progress
from streamspace.web.page import bubbles
from streamspace.web.page.labels import visitor_language

# The styles then show the switch: a component that Gradio makes visible would reset its neighbours' values.
THINKS = "<span data-thinks></span>"


def opened(loader: Loader) -> Callable[[gr.Request], AsyncGenerator[Any, None]]:
    """The handler of the page's load event: the values of the status line and of the part about the model."""

    async def opened(request: gr.Request) -> AsyncGenerator[Any, None]:
        language = visitor_language(request)
        try:
            async for note in loader.until_ready():
                yield bubbles.status(Progress(phase="loading", note=note), language), gr.skip()
        except StreamspaceError as error:
            yield "", bubbles.diagnosis(error.in_language(language), loader.background, language)
            return
        can_think = loader.pipeline is not None and loader.pipeline.builder.can_think
        yield "", THINKS if can_think else ""

    return opened
