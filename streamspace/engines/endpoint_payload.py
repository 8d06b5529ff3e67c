"""What a server that speaks OpenAI's chat API is asked; `endpoint` asks it."""

from __future__ import annotations

import json
from typing import Any

from streamspace.events import Message, Request
from streamspace.sampling import ANY_OBJECT, PARAMETERS
from streamspace.tools import Tools


def payload(request: Request, model: str) -> dict[str, Any]:
    """The request as these servers take it; what isn't in OpenAI's API is sent only where it changes something."""
    sampling = request.sampling
    values = [(each, getattr(sampling, each.name)) for each in PARAMETERS]
    extra: dict[str, Any] = {each.name: value for each, value in values if not each.endpoint and value != each.neutral}
    if request.continues:
        extra |= {"continue_final_message": True, "add_generation_prompt": False}
    if request.thinking:
        extra |= _thinking(request.thinking)
    if request.cache_key:
        extra["prompt_cache_key"] = request.cache_key
    return {
        "messages": [message(each) for each in request.messages],
        "model": model,
        **{each.endpoint: value for each, value in values if each.endpoint},
        "seed": sampling.seed,
        "stop": list(sampling.stop[:4]) or None,  # most servers take four; `StopStrings` sees to them all
        "stream_options": {"include_usage": True},
        **(_offer(request.tools) if request.tools else {"response_format": form(sampling.grammar)}),
        **({} if sampling.likeliest is None else {"logprobs": True, "top_logprobs": sampling.likeliest or None}),
        "extra_body": extra or None,
    }


def message(told: Message) -> dict[str, Any]:
    """A message as these servers take it."""
    named = {"role": told.role, "content": told.content}
    named |= {"reasoning_content": told.reasoning_content} if told.reasoning_content else {}
    if told.role == "tool":
        return {**named, "tool_call_id": told.calls[0].id}
    return {**named, "tool_calls": [each.as_sent() for each in told.calls]} if told.calls else named


def _offer(tools: Tools) -> dict[str, Any]:
    choice: Any = "required" if tools.required else "auto"
    choice = {"type": "function", "function": {"name": tools.only}} if tools.only else choice
    return {"tools": tools.listed, "tool_choice": choice}


def form(grammar: str) -> dict[str, Any] | None:
    """What a server is told of the form that an answer has to have."""
    if not grammar or grammar == ANY_OBJECT:
        return {"type": "json_object"} if grammar else None
    described = {"name": "answer", "schema": json.loads(grammar), "strict": True}
    return {"type": "json_schema", "json_schema": described}


def _thinking(choice: str) -> dict[str, Any]:
    """The switch for thinking, under the names that servers and chat templates have for it."""
    if choice in ("off", "on"):
        return {"chat_template_kwargs": {"enable_thinking": choice == "on", "thinking": choice == "on"}}
    return {"reasoning_effort": choice, "chat_template_kwargs": {"reasoning_effort": choice}}
