"""What travels between the page and the server: a question and its reply, the model's state, what a draft would cost.

Each is a component that isn't displayed. Its value goes to static/transport.js, which has Gradio run the events here.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import gradio as gr

from streamspace.reply.loader import Loader
from streamspace.reply.progress import Replies
from streamspace.reply.request import Caller, ChatRequest, CompletionRequest
from streamspace.web import visitor
from streamspace.web.page import replies
from streamspace.web.page.updates import Updates, updates
from streamspace.web.page.visit import opened

PRIVATE: dict[str, Any] = {
    "show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None,
    "postprocess": False,  # values are sent as they are: their component would change nothing, in another thread
}  # fmt: skip
Question = dict[str, Any]  # as `gate.Question` lets it through


def open_(loader: Loader, page: gr.Blocks) -> None:
    """Makes the components and their events, inside a Blocks context."""
    question = gr.JSON(visible=False)
    reply, model, measure = _channel("reply"), _channel("model"), _channel("measure")
    run = reply.submit(
        _answer(loader), question, reply, js="() => [streamspace.question()]", trigger_mode="multiple", **PRIVATE
    )
    run.then(None, js="() => streamspace.ended()")
    run.failure(None, js="() => streamspace.failed()")
    reply.stop(None, cancels=run)
    measure.submit(
        _measured(loader), question, measure, js="() => [streamspace.draft()]", trigger_mode="always_last", **PRIVATE
    )
    page.load(opened(loader), None, model, **PRIVATE)


def _channel(name: str) -> gr.HTML:
    hooks = f"streamspace.attach({name!r}, {{ props, trigger, upload, watch }})"
    return gr.HTML(html_template="", js_on_load=hooks, visible="hidden", elem_id=f"channel-{name}")


def _answer(loader: Loader) -> Callable[..., Updates]:
    """Streams the reply to a question, as the page shows it."""

    async def answer(request: gr.Request, question: Question) -> Updates:
        show = replies.shows(question["id"], _begun(loader, question), visitor.language(request))
        caller = visitor.caller("page", request, loader.config, visitor.identity(request))
        async with aclosing(updates(_replies(loader, question, caller), show)) as shown:
            async for update in shown:
                yield update

    return answer


def _begun(loader: Loader, question: Question) -> tuple[replies.Part, ...]:
    """What the reply of a completion has so far: it is a part of the text that is continued."""
    return replies.parts(question["begun"]) if loader.config.task == "completion" else ()


def _replies(loader: Loader, question: Question, caller: Caller) -> Replies:
    if loader.config.task == "completion":
        text = question["message"] + "".join(part["text"] for part in question["begun"])
        return loader.complete(CompletionRequest(text, question["sampling"], caller))
    return loader.chat(replace(_request(question), caller=caller))


def _request(question: Question) -> ChatRequest:
    return ChatRequest(
        question["message"],
        [_message(turn) for turn in question["history"]],
        system_prompt=question.get("system"),
        thinking=question.get("thinking"),
        begun=replies.parts(question["begun"]),
        images=question["images"],
        sampling=question["sampling"],
        file_characters=question["file_characters"],
    )


def _message(turn: dict[str, Any]) -> dict[str, Any]:
    files = [{"type": "file", "file": file} for file in turn["images"]]
    return {"role": turn["role"], "content": [*files, {"type": "text", "text": turn["content"]}]}


def _measured(loader: Loader) -> Callable[..., Any]:
    """What a message that isn't sent yet would take of the context window, and of the visitor's GPU quota."""

    async def measured(request: gr.Request, question: Question) -> dict[str, str]:
        measure = await loader.measure(_request(question)) if loader.config.task != "completion" else None
        language = visitor.language(request)
        problem = measure.problem.in_language(language) if measure and measure.problem else ""
        return {"words": replies.measured(measure, language) if measure else "", "problem": problem}

    return measured
