"""A page that takes only files that were uploaded to it: Gradio alone would fetch any address that a client names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from streamspace.errors import RequestError
from streamspace.prompt.images import check_upload


class UploadsOnly(gr.Blocks):
    """Refuses a request that names a file elsewhere, before Gradio looks at it."""

    async def preprocess_data(self, block_fn: Any, inputs: list[Any], *rest: Any, **named: Any) -> Any:
        """See `gr.Blocks`. Raises gr.Error, which reaches the client word for word."""
        try:
            for path in _paths(inputs):
                check_upload(path)
        except RequestError as error:
            raise gr.Error(str(error), print_exception=False) from error
        return await super().preprocess_data(block_fn, inputs, *rest, **named)


def _paths(value: Any) -> Iterator[str]:
    """Every path of a file in what a client sent."""
    if isinstance(value, dict):
        if isinstance(value.get("path"), str):
            yield value["path"]
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _paths(each)
