"""Accepts only files that were uploaded to the page: Gradio alone would download any URL that a client sends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from streamspace.errors import RequestError
from streamspace.prompt.images import check_upload


class UploadsOnly(gr.Blocks):
    """Refuses a request with a path or URL of another file, before Gradio reads it."""

    async def preprocess_data(self, block_fn: Any, inputs: list[Any], *rest: Any, **named: Any) -> Any:
        """See `gr.Blocks`. Raises gr.Error, whose text the client receives unchanged."""
        try:
            for path in _paths(inputs):
                check_upload(path)
        except RequestError as error:
            raise gr.Error(str(error), print_exception=False) from error
        return await super().preprocess_data(block_fn, inputs, *rest, **named)


def _paths(value: Any) -> Iterator[str]:
    """Every path of a file in a client's values."""
    if isinstance(value, dict):
        if isinstance(value.get("path"), str):
            yield value["path"]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _paths(each)
