"""What a visit shows by itself: how far the model is, then what it can do, or why there is none."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any

import gradio as gr

from streamspace.errors import StreamspaceError
from streamspace.reply.loader import Opening
from streamspace.reply.pipeline import Progress
from streamspace.web.page import bubbles
from streamspace.web.page.labels import spoken

# Seen by the styles, which then show the switch: a part that Gradio makes visible takes its neighbours' values along.
THINKS = "<span data-thinks></span>"


def opened(writer: Opening) -> Callable[[gr.Request], AsyncGenerator[Any, None]]:
    """The handler of the page's load event: what goes into the line of status and the part about the model."""

    async def opened(request: gr.Request) -> AsyncGenerator[Any, None]:
        language = spoken(request)
        try:
            async for note in writer.wait():
                yield bubbles.status(Progress(phase="loading", note=note), language), gr.skip()
        except StreamspaceError as error:
            yield "", bubbles.diagnosis(error.into(language), writer.background, language)
            return
        can_think = writer.writer is not None and writer.writer.encoder.can_think
        yield "", THINKS if can_think else ""

    return opened
