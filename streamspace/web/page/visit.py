"""Tells the page, when it opens, how far the model has loaded, then its abilities or why it can't be loaded."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any

import gradio as gr

from streamspace.errors import StreamspaceError
from streamspace.i18n import t
from streamspace.reply.loader import Loader
from streamspace.reply.pipeline import Pipeline
from streamspace.reply.progress import Progress
from streamspace.web import visitor
from streamspace.web.page import replies


def opened(loader: Loader) -> Callable[[gr.Request], AsyncGenerator[Any, None]]:
    """The handler of the page's load event; each value replaces the one before."""

    async def opened(request: gr.Request) -> AsyncGenerator[Any, None]:
        language = visitor.language(request)
        try:
            async for note in loader.until_ready():
                yield {"status": replies.status(Progress(phase="loading", note=note), language)}
        except StreamspaceError as error:
            then = t("status.then_reload" if loader.background else "status.then_restart")
            problem = f"⚠️ {error.in_language(language)}."
            yield {"diagnosis": {"problem": problem, "next": then.in_language(language)}}
            return
        assert loader.pipeline
        thinking = loader.pipeline.builder.thinking
        abilities = {"choices": list(thinking.choices), "initial": thinking.default}
        yield {"thinking": abilities, "note": reduced(loader.pipeline, language)}

    return opened


def reduced(pipeline: Pipeline, language: str) -> str:
    """A line where the model takes less than the config asks for."""
    fit = pipeline.fit
    if not fit or not fit.problem:
        return ""
    return t("status.window", window=fit.window, prompt=fit.prompt, reply=fit.max).in_language(language)
