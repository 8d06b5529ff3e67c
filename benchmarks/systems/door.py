"""OpenAI's API, as little as a stream needs of it, for the function of a `gr.ChatInterface`.

The baseline has Gradio's API alone, which sends the whole text with every piece: through this door, which costs less,
the same client measures it as all others. What Gradio's costs is measured as well, by Gradio's own client.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

Chat = Callable[[str, list[dict[str, str]]], Iterator[str]]


def launch(demo: Any, chat: Chat) -> None:
    """Serves the page of this function, with the door beside it."""

    async def complete(request: Request) -> StreamingResponse:
        *history, question = (await request.json())["messages"]
        return StreamingResponse(_events(chat(question["content"], history)), media_type="text/event-stream")

    demo.launch(app_kwargs={"routes": [Route("/v1/chat/completions", complete, methods=["POST"])]})


def _events(texts: Iterator[str]) -> Iterator[str]:
    sent = 0
    for text in texts:
        yield f"data: {json.dumps({'choices': [{'delta': {'content': text[sent:]}}]})}\n\n"
        sent = len(text)
    yield "data: [DONE]\n\n"
